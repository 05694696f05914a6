import Mesh
import NIOCore
import Testing

/// Whatever fails, and however: the caller has its answer when its timeout is over, or at most 100 ms later.
@Suite("No call outlives its timeout", .serialized)
struct MeshTimeoutTests {
    private static let timeout = Duration.milliseconds(400)
    private static let rules = ["timeout: 400ms", "retries: 2"]
    private static let tolerance = Duration.milliseconds(100)

    @Test("where the application hangs: 504, and it may have been delivered")
    func hangingApplication() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check", .hang)
            let answer = try await measured("hanging", fleet) {
                try await $0.call("identity-check")
            }
            #expect(answer.status == 504)
            #expect(["timeout", "deadline"].contains(answer.code), "whichever sidecar was first: \(answer.text)")
            #expect(answer.delivered == "unknown")
            let posted = try await measured("hanging-post", fleet) {
                try await $0.call("identity-check", "POST", body: [1])
            }
            #expect(posted.status == 504)
            #expect(posted.delivered == "unknown")
        }
    }

    @Test("where a host takes connections and never speaks TLS: 504, not delivered")
    func silentHost() async throws {
        try await MeshFleet.run { fleet in
            let host = try await SilentHost.start()
            #expect(
                try await fleet.registry.reg(
                    "add",
                    "identity-check",
                    "--address",
                    "127.0.0.1",
                    "--port",
                    "\(host.port)",
                    "--id",
                    "silent",
                    "--no-ttl"
                ).exitCode == 0
            )
            let answer = try await measured("silent", fleet) {
                try await $0.call("identity-check", "POST", body: [1])
            }
            #expect(answer.status == 504, "\(answer.text)")
            #expect(answer.delivered == "no")
            try await host.stop()
        }
    }

    @Test("where the ports are closed: 502 or 503 well before")
    func closedPort() async throws {
        try await MeshFleet.run { fleet in
            let port = try await MeshFleet.freePort()
            #expect(
                try await fleet.registry.reg(
                    "add",
                    "identity-check",
                    "--address",
                    "127.0.0.1",
                    "--port",
                    "\(port)",
                    "--id",
                    "gone",
                    "--no-ttl"
                ).exitCode == 0
            )
            let answer = try await measured("closed", fleet) {
                try await $0.call("identity-check")
            }
            #expect(answer.status == 502 || answer.status == 503, "\(answer.status)")
            #expect(answer.delivered == "no")
        }
    }

    @Test("where every instance answers 503: the last such answer")
    func refusingInstances() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check", id: "a", .refuse(status: 503))
            _ = try await fleet.instance("identity-check", id: "b", .refuse(status: 503))
            let answer = try await measured("refusing", fleet) {
                try await $0.call("identity-check")
            }
            #expect(answer.status == 503)
            #expect(answer.text == "no")
        }
    }

    @Test("where an answer's body has no end: the timeout ends with the head, and the body goes on")
    func endlessBody() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("identity-check", .endless)
            let caller = try await fleet.sidecar("passport-office", mesh: Self.rules)
            let began = ContinuousClock.now
            let (beginnings, begin) = AsyncStream<Duration>.makeStream()
            let (parts, arrive) = AsyncStream<Int>.makeStream()
            let address = caller.outbound
            let stream = Task {
                var request = SidecarCaller.Request()
                request.headers = [("host", "identity-check")]
                try await SidecarCaller(address: address).stream(request) {
                    begin.yield(ContinuousClock.now - began)
                } _: {
                    arrive.yield($0.count)
                }
            }
            let head = await beginnings.first { _ in true }
            #expect(try #require(head) < Self.timeout + Self.tolerance)
            var bytes = 0
            for await count in parts {
                bytes += count
                if ContinuousClock.now - began > Self.timeout * 2 { break }
            }
            #expect(bytes > 4)
            stream.cancel()
            _ = await stream.result
        }
    }

    @Test("where a request's own timeout is shorter, and where its time is over before it begins")
    func inheritedDeadline() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check", .hang)
            let answer = try await measured("inherited", fleet, mesh: ["timeout: 10s"]) {
                try await $0.call("identity-check", headers: [("x-hms-timeout-ms", "400")])
            }
            #expect(answer.status == 504, "\(answer.text)")
            let passedOn = app.received.compactMap { $0.values("x-hms-timeout-ms").first.flatMap { Int($0) } }
            #expect(!passedOn.isEmpty)
            #expect(passedOn.allSatisfy { $0 <= 400 }, "\(passedOn)")
        }
    }

    /// The answer of a fresh sidecar's first call, which came in time. A busy machine adds to what is measured and takes
    /// nothing away: one of three measurements within the bound shows that the mesh keeps it.
    private func measured(
        _ what: String,
        _ fleet: MeshFleet,
        mesh rules: [String] = rules,
        _ call: (FleetSidecar) async throws -> SidecarCaller.Response
    ) async throws -> SidecarCaller.Response {
        var least = Duration.seconds(1_000)
        var answer: SidecarCaller.Response?
        for number in 0..<3 where least > Self.timeout + Self.tolerance {
            let caller = try await fleet.sidecar("passport-office", id: "\(what)-\(number)", mesh: rules)
            let began = ContinuousClock.now
            answer = try await call(caller)
            least = min(least, ContinuousClock.now - began)
        }
        #expect(least <= Self.timeout + Self.tolerance, "\(what): \(least)")
        return try #require(answer)
    }
}
