import NIOHPACK
import TestSupport
import Testing

/// HTTP/2 from the application, between the sidecars, and towards an `h2c` application.
@Suite("HTTP/2 and gRPC through two sidecars")
struct CallTests {
    typealias Serve = @Sendable (inout CallParts, CallStream) async throws -> Void

    private static let ok: HPACKHeaders = [":status": "200", "content-type": "application/grpc"]

    @Test("a bidirectional call answers message by message, and its trailers come last")
    func bidirectional() async throws {
        try await withFleet(serving: Self.echo) { client in
            try await client.call("/echo.Echo/Both") { parts, stream in
                for text in ["one", "two", String(repeating: "x", count: 200_000)] {
                    try await stream.message(text)
                    if text == "one" {
                        let head = try await fields(&parts)
                        #expect(head[":status"] == "200")
                        #expect(head["x-hms-instance"] == "callee/callee-1")
                    }
                    #expect(try await parts.next() == .message(text))
                }
                try await stream.end()
                let trailers = try await fields(&parts)
                #expect(trailers["grpc-status"] == "0")
                #expect(trailers["x-count"] == "3")
                #expect(trailers["x-caller"] == "spiffe://gov.local/svc/caller")
                #expect(try await parts.next() == .end)
            }
        }
    }

    @Test("a trailers-only error of the application stays one")
    func trailersOnly() async throws {
        let refuse: Serve = { _, stream in
            try await stream.head(
                [":status": "200", "content-type": "application/grpc", "grpc-status": "5", "grpc-message": "no such"],
                ends: true
            )
        }
        try await withFleet(serving: refuse) { client in
            try await client.call("/echo.Echo/Missing") { parts, stream in
                try await stream.end()
                let only = try await fields(&parts)
                #expect(only["grpc-status"] == "5")
                #expect(only["grpc-message"] == "no such")
                #expect(try await parts.next() == .end)
            }
        }
    }

    @Test("the mesh's own errors are trailers-only with the fitting grpc-status; grpc-timeout bounds the call")
    func meshErrors() async throws {
        let keepSilent: Serve = { parts, _ in
            while try await parts.next() != nil {}
        }
        try await withFleet(serving: keepSilent) { client in
            try await client.call("/echo.Echo/Any", authority: "nobody") { parts, stream in
                try await stream.end()
                let only = try await fields(&parts)
                #expect(only[":status"] == "200")
                #expect(only["x-hms-error"] == "unknown-service")
                #expect(only["grpc-status"] == "12" || only["grpc-status"] == "14")
                #expect(try await parts.next() == .end)
            }
            let clock = ContinuousClock()
            let began = clock.now
            try await client.call("/echo.Echo/Never", [("grpc-timeout", "300m")]) { parts, stream in
                try await stream.end()
                let only = try await fields(&parts)
                #expect(only["grpc-status"] == "4")
                #expect(try await parts.next() == .end)
            }
            #expect(clock.now - began >= .milliseconds(290))
            #expect(clock.now - began < .seconds(3))
        }
    }

    @Test("a hundred calls at once share the connection, and each gets its own answer")
    func many() async throws {
        try await withFleet(serving: Self.echo) { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...100 {
                    group.addTask {
                        try await client.call("/echo.Echo/Both") { parts, stream in
                            try await stream.message("call \(number)")
                            try await stream.end()
                            _ = try await fields(&parts)
                            #expect(try await parts.next() == .message("call \(number)"))
                            #expect(try await fields(&parts)["grpc-status"] == "0")
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("HTTP/2 callers reach an HTTP/1 application; its trailers become theirs")
    func toHTTP1() async throws {
        let app = try WireServer { wire in
            while true {
                let head = try wire.read(to: "\r\n\r\n")
                if head.hasPrefix("POST ") { _ = try wire.read(to: "0\r\n\r\n") }
                try wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                try wire.send("2\r\nok\r\n0\r\nx-end: here\r\n\r\n")
            }
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let answer = try await fleet.curl("--http2-prior-knowledge", "--dump-header", "-", path: "/")
            #expect(answer.output.hasPrefix("HTTP/2 200"))
            #expect(answer.output.contains("x-end: here"))
            #expect(answer.output.contains("ok"))
            let upload = try await fleet.curl(
                "--http2-prior-knowledge",
                "--data-binary",
                "@/proc/self/cmdline",
                "--header",
                "content-length:",
                path: "/up"
            )
            #expect(upload.output == "ok")
        }
    }

    @Test("HTTP/1 callers reach an h2c application, and get its trailers")
    func fromHTTP1() async throws {
        try await CallServer.with(serving: Self.echo) { port in
            try await ProtocolFleet.with("h2c", port: port) { fleet in
                let answer = try fleet.ask(
                    "POST /echo.Echo/Both HTTP/1.1\r\nhost: callee\r\ncontent-type: application/grpc\r\nte: trailers\r\n"
                        + "connection: close\r\ncontent-length: 7\r\n\r\n\0\0\0\0\u{2}hi"
                )
                #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(answer.contains("\0\0\0\0\u{2}hi\r\n"))
                #expect(
                    answer.hasSuffix("grpc-status: 0\r\nx-count: 1\r\nx-caller: spiffe://gov.local/svc/caller\r\n\r\n")
                )
            }
        }
    }

    private static let echo: Serve = { parts, stream in
        guard case .fields(let head) = try await parts.next() else { return }
        try await stream.head(ok)
        var count = 0
        while case .message(let text) = try await parts.next() {
            count += 1
            try await stream.message(text)
        }
        try await stream.head(
            ["grpc-status": "0", "x-count": "\(count)", "x-caller": head["x-hms-caller"] ?? "nobody"],
            ends: true
        )
    }

    private func withFleet(
        serving serve: @escaping Serve,
        _ body: (CallClient) async throws -> Void
    ) async throws {
        try await CallServer.with(serving: serve) { port in
            try await ProtocolFleet.with("h2c", port: port) { fleet in
                let client = try await CallClient(port: fleet.outboundPort)
                try await body(client)
                try await client.close()
            }
        }
    }
}

/// The next part, which has to be a head or trailers.
private func fields(_ parts: inout CallParts) async throws -> [String: String] {
    let part = try await parts.next()
    guard case .fields(let fields) = part else {
        throw TimedOut(description: "instead of fields came \(String(describing: part))")
    }
    return fields
}
