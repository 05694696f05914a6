import Mesh
import TestSupport
import Testing

/// Requests that two parsers may read differently (RFC 9112 §6.3, §11.2).
@Suite("A sidecar and requests of two meanings")
struct MeshSmugglingTests {
    private static let forms: [(name: String, request: String)] = [
        ("two lengths", "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ("a list of lengths", "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5, 6\r\n\r\nhello"),
        ("a signed length", "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: +5\r\n\r\nhello"),
        (
            "a length and chunks",
            "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        ("two codings", "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("an unknown coding", "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a space before the colon", "POST / HTTP/1.1\r\nHost: app\r\nContent-Length : 5\r\n\r\nhello"),
        ("a folded line", "GET / HTTP/1.1\r\nHost: app\r\nX-A: 1\r\n Transfer-Encoding: chunked\r\n\r\n"),
        ("bare line feeds", "GET / HTTP/1.1\nHost: app\nX-A: 1\n\n"),
        ("a bare carriage return", "GET / HTTP/1.1\r\nHost: app\r\nX-A: 1\rX-B: 2\r\n\r\n"),
        ("a NUL in a value", "GET / HTTP/1.1\r\nHost: app\r\nX-A: 1\u{0}2\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nHost: app\r\nHost: other\r\n\r\n"),
        ("a tab in the request line", "GET /\tx HTTP/1.1\r\nHost: app\r\n\r\n"),
        ("two spaces in the request line", "GET  / HTTP/1.1\r\nHost: app\r\n\r\n"),
    ]

    @Test("gives each of them 400 and ends the connection; the application sees nothing of them, or of what follows")
    func forms() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("app")
            let socket = fleet.directory + "/office.sock"
            let caller = try await fleet.sidecar("passport-office", outbound: "unix:\(socket)")
            #expect(try await caller.call("app", "GET", "/first").status == 200)
            let hidden = "GET /hidden HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
            for (name, request) in Self.forms {
                // What comes back ends only when the connection does.
                let answer = try RawAnswer.of(request + hidden, socket: socket)
                #expect(answer.status == 400, "\(name): \(answer.text)")
                #expect(answer.header("x-hms-error") == "bad-request", "\(name)")
                #expect(answer.text.components(of: "HTTP/1.1 ") == 1, "\(name): \(answer.text)")
            }
            #expect(app.received.map(\.path) == ["/first"])
            #expect(try await caller.call("app", "GET", "/last").status == 200)
        }
    }

    @Test("refuses chunks that are none, and what it had passed on of them is no whole request")
    func brokenChunks() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("app")
            let socket = fleet.directory + "/office.sock"
            let caller = try await fleet.sidecar("passport-office", outbound: "unix:\(socket)")
            #expect(try await caller.call("app", "GET", "/first").status == 200)
            let hidden = "GET /hidden HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"
            for chunks in [
                "5\nhello\n0\n\n", "5 \r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n",
            ] {
                let answer = try RawAnswer.of(
                    "POST /chunks HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)\(hidden)",
                    socket: socket
                )
                #expect(answer.status != 200, "\(chunks): \(answer.text)")
                #expect(answer.text.components(of: "HTTP/1.1 ") <= 1, "\(chunks): \(answer.text)")
            }
            #expect(app.received.map(\.path) == ["/first"])
            #expect(try await caller.call("app", "GET", "/last").status == 200)
        }
    }
}

extension String {
    /// How often a text is in it.
    fileprivate func components(of text: String) -> Int {
        ranges(of: text).count
    }
}
