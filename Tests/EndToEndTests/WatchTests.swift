import Foundation
import RegistryClient
import RegistryModel
import Synchronization
import TestSupport
import Testing

@Suite("Watching")
struct WatchTests {
    /// What a watcher has been told, as it would keep it.
    private final class Known: Sendable {
        struct State {
            var instances: [InstanceKey: RegisteredInstance] = [:]
            var wholeServices = 0
            var wentBack: [InstanceKey] = []
            var losses = 0
        }

        private let state = Mutex(State())

        var instances: [InstanceKey: RegisteredInstance] { state.withLock { $0.instances } }
        var wholeServices: Int { state.withLock { $0.wholeServices } }
        var wentBack: [InstanceKey] { state.withLock { $0.wentBack } }
        var losses: Int { state.withLock { $0.losses } }

        func lost() {
            state.withLock { $0.losses += 1 }
        }

        func take(_ message: WatchMessage) {
            state.withLock { state in
                switch message {
                case .reset: state.instances = [:]
                case .denied, .bundle: break
                case .service(let name, let instances, _, _):
                    state.wholeServices += 1
                    state.instances = state.instances.filter { $0.key.service != name }
                    for instance in instances { Self.put(instance, &state) }
                case .upsert(let instance): Self.put(instance, &state)
                case .remove(let key): state.instances[key] = nil
                case .policy: break
                }
            }
        }

        private static func put(_ instance: RegisteredInstance, _ state: inout State) {
            let key = instance.instance.key
            if let before = state.instances[key], before.sequence > instance.sequence { state.wentBack.append(key) }
            state.instances[key] = instance
        }
    }

    @Test(
        "a watcher has the state at once, every change as it happens, and goes on over kill -9 without loss or repeat"
    )
    func resumes() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            var daemon = try await Daemon.start(data)
            for id in 1...3 {
                _ = try daemon.request("PUT", "/v1/services/a/instances/\(id)", #"{"ip":"10.0.0.1","port":1}"#)
            }
            _ = try daemon.request("PUT", "/v1/services/b/instances/1", #"{"ip":"10.0.0.1","port":1}"#)
            let known = Known()
            let stream = WatchStream(address: try daemon.address, services: [])
            let watching = Task {
                try await stream.run(
                    onConnection: { if case .lost = $0 { known.lost() } },
                    onMessage: { message, _ in known.take(message) }
                )
            }
            try await eventually("the first state") { known.instances.count == 4 }
            _ = try daemon.request("POST", "/v1/heartbeats", #"[{"service":"a","id":"1"}]"#)
            try await eventually("the change") { known.instances.values.contains { $0.health == .healthy } }
            try await eventually("a cursor that holds") { known.wholeServices == 2 }
            try await daemon.program.end(by: SIGKILL)
            try await eventually("the loss") { known.losses > 0 }
            daemon = try await Daemon.start(data, label: "again")
            _ = try daemon.request("DELETE", "/v1/services/a/instances/2")
            _ = try daemon.request("PUT", "/v1/services/c/instances/1", #"{"ip":"10.0.0.1","port":1}"#)
            try await eventually("what changed") {
                known.instances.keys.sorted().map(\.description) == ["a/1", "a/3", "b/1", "c/1"]
            }
            #expect(known.wentBack.isEmpty)
            // b did not change while the watcher was away: nobody told it again.
            #expect(known.wholeServices <= 5)
            watching.cancel()
            _ = await watching.result
            try await daemon.program.end()
        }
    }

    @Test("hms-reg watch --json prints a document a line, and ends with the daemon's refusal")
    func command() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            _ = try daemon.request("PUT", "/v1/services/a/instances/1", #"{"ip":"10.0.0.1","port":1}"#)
            let watch = try RunningProgram(
                "hms-reg",
                ["watch", "a", "--json", "--data", daemon.data],
                logTo: directory,
                label: "watch"
            )
            try await eventually("the state") { watch.output.contains(#""event":"service""#) }
            _ = try daemon.request("DELETE", "/v1/services/a/instances/1")
            try await eventually("the removal") { watch.output.contains(#"{"event":"remove","service":"a","id":"1"}"#) }
            let lines = watch.output.split(separator: "\n")
            #expect(lines.first?.hasPrefix(##"{"event":"bundle","trustDomain":"gov.local","pem":"-----BEGIN"##) == true)
            #expect(lines.dropFirst().first == #"{"event":"denied","serials":[],"services":{}}"#)
            #expect(
                lines.dropFirst(2).first?.hasPrefix(
                    #"{"event":"service","service":"a","known":true,"instances":[{"id":"1""#
                ) == true
            )
            try await watch.end(by: SIGINT)
            try await daemon.program.end()
        }
    }
}
