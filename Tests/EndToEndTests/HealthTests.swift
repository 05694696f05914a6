import Foundation
import TestSupport
import Testing

@Suite("Silence, as a running registry sees it")
struct HealthTests {
    @Test("a silent instance becomes unhealthy, comes back with a beat, and is deregistered in the end")
    func oneInstance() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data", ["--ttl", "1s", "--deregister-after", "4s"])
            _ = try daemon.request(
                "PUT",
                "/v1/services/a/instances/1",
                #"{"ip":"10.0.0.1","port":1,"status":"healthy"}"#
            )
            try await eventually("the verdict") { try instance("1", of: "a", daemon).contains("heartbeat-missed") }
            #expect(try daemon.request("GET", "/v1/services/a").body == #"{"a":[]}"#)
            _ = try daemon.request("POST", "/v1/heartbeats", #"[{"service":"a","id":"1"}]"#)
            #expect(try instance("1", of: "a", daemon).contains(#""status":"healthy","cause":"heartbeat-resumed""#))
            try await eventually("the end") {
                try daemon.request("GET", "/v1/services/a/instances/1").body.contains("unknown-instance")
            }
            try await daemon.program.end()
        }
    }

    @Test("when most of the fleet falls silent at once nobody is removed, and clients are told")
    func massExpiry() async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data", ["--ttl", "1s", "--deregister-after", "1s"])
            let fleet = (1...20).map { #"{"service":"a","id":"\#($0)","ip":"10.0.0.1","port":1,"status":"healthy"}"# }
            _ = try daemon.request("POST", "/v1/instances", fleet.joined(separator: "\n"))
            try await eventually("the guard") {
                try daemon.request("GET", "/v1/guard").body.contains(#""active":true"#)
            }
            try await eventually("the protection of all") {
                try daemon.request("GET", "/v1/services/a").body.components(separatedBy: "overdue-protected").count
                    == 21
            }
            #expect(try daemon.request("GET", "/v1/services/a").header("x-hms-protected") == "true")
            #expect(try await daemon.reg("status").exitCode == 1)

            let beats = "[" + (1...20).map { #"{"service":"a","id":"\#($0)"}"# }.joined(separator: ",") + "]"
            try await eventually("the guard's end") {
                _ = try daemon.request("POST", "/v1/heartbeats", beats)
                return try daemon.request("GET", "/v1/guard").body.contains(#""active":false"#)
            }
            let recovered = try daemon.request("GET", "/v1/services/a")
            #expect(recovered.header("x-hms-protected") == nil)
            #expect(recovered.body.components(separatedBy: #""status":"healthy""#).count == 21)
            #expect(try await daemon.program.end() == 0)
        }
    }

    private func instance(_ id: String, of service: String, _ daemon: Daemon) throws -> String {
        try daemon.request("GET", "/v1/services/\(service)/instances/\(id)").body
    }
}
