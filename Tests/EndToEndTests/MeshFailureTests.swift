import Glibc
import Mesh
import NIOCore
import Synchronization
import TestSupport
import Testing

@Suite("A mesh whose parts end", .serialized)
struct MeshFailureTests {
    @Test("one of two sidecars killed under load: every GET is answered")
    func killedSidecar() async throws {
        try await MeshFleet.run { fleet in
            let (_, victim) = try await fleet.instance("identity-check", id: "a")
            _ = try await fleet.instance("identity-check", id: "b")
            let caller = try await fleet.sidecar("passport-office")
            let load = Load(caller, "identity-check")
            try await load.awaitAnswers(from: ["a", "b"])
            try await victim.program.end(by: SIGKILL)
            try await load.awaitMore(100)
            let outcome = await load.end()
            #expect(outcome.failures == [], "of \(outcome.answered)")
        }
    }

    @Test("one of two sidecars drained under load: not one failure, of a POST neither")
    func drainedSidecar() async throws {
        try await MeshFleet.run { fleet in
            let (app, leaving) = try await fleet.instance("identity-check", id: "a", .answerAfter(.milliseconds(20)))
            _ = try await fleet.instance("identity-check", id: "b", .answerAfter(.milliseconds(20)))
            let caller = try await fleet.sidecar("passport-office")
            let load = Load(caller, "identity-check", method: "POST")
            try await load.awaitAnswers(from: ["a", "b"])
            #expect(try await leaving.program.end() == 0)
            let taken = app.received.count
            try await load.awaitMore(50)
            let outcome = await load.end()
            #expect(outcome.failures == [], "of \(outcome.answered)")
            #expect(app.received.count == taken)
            #expect(try fleet.registry.request("GET", "/v1/services/identity-check/instances/a").status == 404)
        }
    }

    @Test("the registry's death ends no call, and a sidecar started meanwhile calls from what it knew")
    func deadRegistry() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            #expect(try await caller.call("identity-check").status == 200)
            // What is known is written down within a moment.
            let known = fleet.directory + "/state/hms/sidecars/passport-office/a/last-known-good.json"
            try await eventually("the last known view") {
                ((try? readFile(known)).map { String(decoding: $0, as: UTF8.self) } ?? "").contains("identity-check")
            }
            try await fleet.registry.program.end(by: SIGKILL)
            for _ in 0..<20 { #expect(try await caller.call("identity-check").status == 200) }
            try await caller.program.end(by: SIGKILL)
            let again = try await caller.again()
            let answer = try await again.call("identity-check")
            #expect(answer.status == 200, "\(answer.text)")
        }
    }

    @Test("a registry that comes back finds its instances, also where it has forgotten them")
    func forgetfulRegistry() async throws {
        try await MeshFleet.run { fleet in
            let (_, callee) = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            #expect(try await caller.call("identity-check").status == 200)
            let keys = fleet.directory + "/keys"
            try copyTree(fleet.registry.data + "/keys", to: keys)
            try await fleet.registry.program.end(by: SIGKILL)
            #expect(try runShell("rm -rf \(fleet.registry.data)").status == 0)
            #expect(mkdir(fleet.registry.data, 0o700) == 0)
            try copyTree(keys, to: fleet.registry.data + "/keys")
            fleet.registry = try await Daemon.start(fleet.registry.data, label: "again")
            try await fleet.awaitRoutable("identity-check", "a")
            #expect(try await caller.call("identity-check").status == 200)
            #expect(callee.program.isRunning)
        }
    }
}

/// Calls without a pause, four at a time, until it is told to end.
private struct Load: Sendable {
    struct Outcome: Sendable {
        var answered = 0
        var bodies: Set<String> = []
        var failures: [String] = []

        var ended: Int { answered + failures.count }
    }

    private final class Count: Sendable {
        let outcome = Mutex(Outcome())

        func note(_ answer: SidecarCaller.Response) {
            outcome.withLock { outcome in
                guard answer.status == 200 else { return outcome.failures.append("\(answer.status) \(answer.text)") }
                outcome.answered += 1
                outcome.bodies.insert(answer.text)
            }
        }

        func note(_ error: any Error) {
            outcome.withLock { $0.failures.append("\(error)") }
        }
    }

    private let count = Count()
    private let task: Task<Void, Never>

    init(_ sidecar: FleetSidecar, _ service: String, method: String = "GET") {
        task = Task { [count] in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { await Self.callOnAndOn(sidecar, service, method, count) } }
            }
        }
    }

    private static func callOnAndOn(_ sidecar: FleetSidecar, _ service: String, _ method: String, _ count: Count) async
    {
        while !Task.isCancelled {
            do {
                count.note(try await sidecar.call(service, method))
            } catch {
                count.note(error)
            }
        }
    }

    private var outcome: Outcome { count.outcome.withLock { $0 } }

    func awaitAnswers(from names: Set<String>) async throws {
        try await eventually("answers from \(names.sorted())") { names.isSubset(of: outcome.bodies) }
    }

    func awaitMore(_ more: Int) async throws {
        let goal = outcome.ended + more
        try await eventually("\(more) more calls") { outcome.ended >= goal }
    }

    func end() async -> Outcome {
        task.cancel()
        await task.value
        return outcome
    }
}
