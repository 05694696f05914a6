import Foundation
import RegistryClient
import RegistryModel
import Synchronization
import TestSupport
import Testing

@Suite("Killed at any moment")
struct CrashTests {
    /// Ids that the daemon said were registered.
    private final class Acknowledged: Sendable {
        private let storage = Mutex<Set<String>>([])

        var ids: Set<String> { storage.withLock { $0 } }

        func insert(_ id: String) {
            storage.withLock { _ = $0.insert(id) }
        }
    }

    @Test("kill -9 under load loses no acknowledged registration, many times over")
    func noAcknowledgedWriteIsLost() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            let acknowledged = Acknowledged()
            for round in 0..<8 {
                let daemon = try await Daemon.start(data, label: "regd-\(round)")
                // All that was acknowledged in earlier rounds is there before anything else is asked.
                try expectAll(acknowledged.ids, in: daemon)
                await withTaskGroup(of: Void.self) { group in
                    for worker in 0..<8 {
                        group.addTask { await load(daemon, round: round, worker: worker, acknowledged) }
                    }
                    group.addTask {
                        let enough = 20 + round * 15
                        let before = acknowledged.ids.count
                        try? await eventually("some load") { acknowledged.ids.count >= before + enough }
                        kill(daemon.program.pid, SIGKILL)
                    }
                }
                #expect(try await daemon.program.exitCode() == -SIGKILL)
            }
            let daemon = try await Daemon.start(data, label: "last")
            let all = acknowledged.ids
            #expect(all.count > 8 * 20)
            try expectAll(all, in: daemon)
            try await daemon.program.end()
        }
    }

    private func load(_ daemon: Daemon, round: Int, worker: Int, _ acknowledged: Acknowledged) async {
        for number in 0..<10_000 {
            let id = "r\(round)-w\(worker)-n\(number)"
            let body = #"{"ip":"10.0.0.1","port":1,"ttlMs":null,"status":"healthy"}"#
            guard let answer = try? daemon.request("PUT", "/v1/services/load/instances/\(id)", body),
                answer.status == 201
            else { return }
            acknowledged.insert(id)
            await Task.yield()
        }
    }

    private func expectAll(_ ids: Set<String>, in daemon: Daemon) throws {
        guard !ids.isEmpty else { return }
        let body = try daemon.request("GET", "/v1/services/load").body
        let missing = ids.filter { !body.contains("\"id\":\"\($0)\"") }
        #expect(missing.isEmpty, "acknowledged and not there: \(missing.sorted().prefix(5))")
    }

    @Test("a start after kill -9 says what it mended, and the log is whole for ordinary tools")
    func logIsWholeAfterwards() async throws {
        try await withTemporaryDirectory { directory in
            let data = directory + "/data"
            var daemon = try await Daemon.start(data)
            for number in 0..<20 {
                _ = try daemon.request("PUT", "/v1/services/a/instances/i\(number)", #"{"ip":"10.0.0.1","port":1}"#)
            }
            try await daemon.program.end(by: SIGKILL)
            daemon = try await Daemon.start(data, label: "again")
            for stream in ["log", "beats"] {
                for name in try directoryEntries("\(data)/\(stream)") where name.hasSuffix(".zst") {
                    let check = Process()
                    check.executableURL = URL(fileURLWithPath: "/usr/bin/zstd")
                    check.arguments = ["-tq", "\(data)/\(stream)/\(name)"]
                    try check.run()
                    check.waitUntilExit()
                    #expect(check.terminationStatus == 0, "\(stream)/\(name)")
                }
            }
            try await daemon.program.end()
        }
    }
}
