import Foundation
import Glibc
import Mesh
import TestSupport
import Testing

/// `hms-mesh tail`, beside real sidecars.
@Suite("Tail")
struct MeshTailTests {
    private func tail(_ fleet: MeshFleet, _ arguments: [String] = [], label: String = "tail") throws -> RunningProgram {
        try RunningProgram(
            "hms-mesh",
            ["tail"] + arguments,
            environment: ["XDG_STATE_HOME": fleet.directory + "/state", "XDG_RUNTIME_DIR": fleet.directory + "/run"],
            logTo: fleet.directory,
            label: label
        )
    }

    private func began(_ tail: RunningProgram, _ count: Int) async throws {
        try await eventually("the tail to look at \(count)") {
            tail.errors.contains("Watching \(count) sidecar") || tail.errors.contains("; watching \(count) sidecar")
        }
    }

    @Test(
        "only what is asked for is shown; sidecars that come and go are said within a second; Ctrl-C ends it with 130"
    )
    func filtered() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            let all = try tail(fleet, label: "all")
            let some = try tail(fleet, ["--status", "unknown-service,404", "--from", "passport-office"], label: "some")
            try await began(all, 2)
            try await began(some, 2)
            _ = try await caller.call("identity-check", "GET", "/here")
            _ = try await caller.call("identity-chek", "GET", "/nowhere")
            try await eventually("both lines") {
                all.output.contains("GET /here") && some.output.contains("GET /nowhere")
            }
            #expect(all.output.contains("GET /nowhere"))
            #expect(!some.output.contains("GET /here"))
            #expect(some.output.contains("└ unknown-service: "))
            #expect(try await caller.call("example.org").status == 403)
            try await eventually("the refusal") { all.output.contains("└ egress-denied: example.org:80") }
            // Told once, although both sidecars have a line of it.
            #expect(all.output.components(separatedBy: "GET /here").count == 2)

            let late = try await fleet.sidecar("late")
            let clock = ContinuousClock()
            let arrived = clock.now
            try await eventually("the newcomer") { all.errors.contains("late/a has started; watching 3 sidecars") }
            #expect(clock.now - arrived < .seconds(1))
            try await late.program.end(by: SIGKILL)
            let gone = clock.now
            try await eventually("its end") { all.errors.contains("late/a has stopped; watching 2 sidecars") }
            #expect(clock.now - gone < .seconds(1))
            #expect(try await all.end(by: SIGINT) == 130)
            #expect(try await some.end(by: SIGTERM) == 143)
        }
    }

    @Test("a request over two hops is one tree, and a fast stream is sampled with the rest counted")
    func treeAndSampling() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check")
            let front = try await fleet.sidecar("passport-office")
            let tree = try tail(fleet, ["--tree"])
            try await began(tree, 2)
            let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            let context = [("traceparent", "00-\(trace)-00f067aa0ba902b7-01")]
            _ = try await front.call("identity-check", "GET", "/first", headers: context)
            _ = try await front.call("identity-check", "GET", "/second", headers: context)
            try await eventually("the tree") { tree.output.contains("2 calls") }
            #expect(tree.output.contains("trace \(trace)"))
            #expect(try await tree.end(by: SIGINT) == 130)

            let json = try tail(fleet, ["--json"], label: "json")
            try await began(json, 2)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        for _ in 0..<400 { _ = try await front.call("identity-check") }
                    }
                }
                try await group.waitForAll()
            }
            try await eventually("the count of all 3,200") {
                var shown = 0.0
                var skipped = 0.0
                for line in json.output.split(separator: "\n") {
                    let line = try JSONValue(parsing: Array(line.utf8))
                    if let more = line["skipped"]?.number { skipped += more } else { shown += 1 }
                }
                return shown + skipped == 3_200
            }
        }
    }

    @Test("whoever reads a tail may stop: it ends quietly, though no further line comes")
    func closedPipe() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.sidecar("passport-office")
            let result = try await Program.run(
                "/bin/sh",
                ["-c", "'\(Program.path(of: "hms-mesh"))' tail 2>/dev/null | head -n 1"],
                environment: [
                    "XDG_STATE_HOME": fleet.directory + "/state", "XDG_RUNTIME_DIR": fleet.directory + "/run",
                ]
            )
            #expect(result.exitCode == 0)
            #expect(result.output.contains("TIME         FROM"))
        }
    }
}
