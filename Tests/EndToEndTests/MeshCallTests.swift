import Mesh
import TestSupport
import Testing

@Suite("Calls through two sidecars")
struct MeshCallTests {
    @Test("the application learns who calls from the certificate, and not from what the caller claims")
    func callersIdentity() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            let answer = try await caller.call(
                "identity-check",
                headers: [
                    ("x-hms-caller", "spiffe://gov.local/svc/minister"),
                    ("X_Hms_Caller", "spiffe://gov.local/svc/king"),
                    ("X-HMS-Anything", "1"), ("x-mine", "kept"),
                ]
            )
            #expect(answer.status == 200)
            #expect(answer.text == "a")
            let request = try #require(app.received.first)
            let claims = request.headers.filter { $0.name.lowercased().replacing("_", with: "-").hasPrefix("x-hms-") }
            #expect(Set(claims.map { $0.name.lowercased() }) == ["x-hms-caller", "x-hms-timeout-ms"], "\(claims)")
            #expect(request.values("x-hms-caller") == ["spiffe://gov.local/svc/passport-office"])
            #expect(request.values("x-mine") == ["kept"])
        }
    }

    @Test("where an application's port is closed, another instance answers, a POST too")
    func secondInstance() async throws {
        try await MeshFleet.run { fleet in
            let (first, _) = try await fleet.instance("identity-check", id: "a")
            let (second, _) = try await fleet.instance("identity-check", id: "b")
            let caller = try await fleet.sidecar("passport-office")
            _ = try await caller.call("identity-check")
            try await first.stop()
            for number in 0..<20 {
                let method = number.isMultiple(of: 2) ? "POST" : "GET"
                let answer = try await caller.call("identity-check", method, body: Array("body".utf8))
                #expect(answer.status == 200, "\(method) \(number): \(answer.text)")
                #expect(answer.text == "b")
            }
            #expect(second.received.filter { $0.method == "POST" }.allSatisfy { $0.bodyBytes == 4 })
        }
    }

    @Test("a POST whose connection was reset is sent again only where somebody says that it may be")
    func resetPost() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check", service: ["repeatable: [\"POST /validate\"]"])
            let caller = try await fleet.sidecar("passport-office")
            app.behave(.answer, first: [.reset])
            let once = try await caller.call("identity-check", "POST", "/register", body: [1])
            #expect(once.status == 502, "\(once.text)")
            #expect(once.code == "app-reset")
            #expect(once.delivered == "unknown")
            #expect(app.received.count == 1)

            app.behave(.answer, first: [.reset])
            let declared = try await caller.call("identity-check", "POST", "/validate?strict=1", body: [1])
            #expect(declared.status == 200, "\(declared.text)")
            #expect(app.received.count == 3)

            app.behave(.answer, first: [.reset])
            let keyed = try await caller.call(
                "identity-check",
                "POST",
                "/register",
                headers: [("idempotency-key", "7")],
                body: [1]
            )
            #expect(keyed.status == 200, "\(keyed.text)")
            #expect(app.received.count == 5)
            #expect(app.received.suffix(2).allSatisfy { $0.values("idempotency-key") == ["7"] && $0.bodyBytes == 1 })
        }
    }

    @Test("an answer that breaks off behind its head breaks off at the caller, and is not begun again")
    func brokenAnswer() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check", .resetAfterHead)
            let caller = try await fleet.sidecar("passport-office")
            await #expect(throws: SidecarError.self) { try await caller.call("identity-check") }
            #expect(app.received.count == 1)
        }
    }

    @Test("a name that nobody registered is answered with its neighbours; one without instances as such")
    func names() async throws {
        try await MeshFleet.run { fleet in
            let (_, sidecar) = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office", mesh: ["timeout: 5s"])
            let unknown = try await caller.awaitAnswer("identity-chekc", "the neighbours") {
                $0.text.contains("identity-check?")
            }
            #expect(unknown.status == 502)
            #expect(unknown.code == "unknown-service")
            #expect(unknown.delivered == "no")

            #expect(try await caller.call("identity-check").status == 200)
            try await sidecar.program.end()
            let empty = try await caller.awaitAnswer("identity-check", "the end of the last instance") {
                $0.code == "no-instances"
            }
            #expect(empty.status == 503)
            #expect(empty.delivered == "no")
            // One that never saw the instance knows it from the registry.
            let later = try await fleet.sidecar("passport-printer")
            #expect(try await later.call("identity-check").code == "no-instances")
        }
    }

    @Test("hosts outside of the mesh are refused unless the manifest lists them")
    func egress() async throws {
        try await MeshFleet.run { fleet in
            let outside = try await TestApplication.start("outside")
            let caller = try await fleet.sidecar(
                "passport-office",
                mesh: ["egress: [\"127.0.0.1:\(outside.port)\"]"]
            )
            let denied = try await caller.call("api.example.org")
            #expect(denied.status == 403)
            #expect(denied.code == "egress-denied")
            #expect(denied.delivered == "no")
            let listed = try await caller.call("127.0.0.1:\(outside.port)", headers: [("x-hms-caller", "me")])
            #expect(listed.status == 200, "\(listed.text)")
            #expect(listed.text == "outside")
            #expect(outside.received.first?.headers.contains { $0.name.lowercased().hasPrefix("x-hms-") } == false)
            try await outside.stop()
        }
    }

    @Test("8 MiB go both ways unharmed, with a length and in chunks")
    func largeBodies() async throws {
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("archive", .echo)
            let socket = fleet.directory + "/office.sock"
            let caller = try await fleet.sidecar("passport-office", outbound: "unix:\(socket)")
            let body = (0..<8 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 11) }
            let answer = try await caller.call("archive", "POST", body: body)
            #expect(answer.status == 200)
            #expect(answer.body == body)
            #expect(answer.header("content-length") == "\(body.count)")

            let text = String(repeating: "0123456789abcde\n", count: 512)
            let chunk = "2000\r\n\(text)\r\n"
            let chunked = try RawAnswer.of(
                "POST / HTTP/1.1\r\nhost: archive\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
                    + String(repeating: chunk, count: 1_024) + "0\r\n\r\n",
                socket: socket
            )
            #expect(chunked.status == 200)
            #expect(chunked.header("transfer-encoding") == "chunked")
            #expect(chunked.unchunkedBody == String(repeating: text, count: 1_024))
            #expect(app.received.map(\.bodyBytes) == [8 << 20, 8 << 20])
        }
    }

    @Test("a caller that reads late has the whole answer before its connection is closed")
    func lateReader() async throws {
        try await MeshFleet.run { fleet in
            _ = try await fleet.instance("archive", .echo)
            let socket = fleet.directory + "/office.sock"
            _ = try await fleet.sidecar("passport-office", outbound: "unix:\(socket)")
            // More than a socket takes, less than what makes the sidecar stop reading.
            let body = String(repeating: "0123456789abcde\n", count: 25_000)
            let answer = try RawAnswer.of(
                "POST / HTTP/1.1\r\nhost: archive\r\ncontent-length: \(body.utf8.count)\r\nconnection: close\r\n\r\n"
                    + body,
                socket: socket,
                pauseMilliseconds: 500
            )
            #expect(answer.status == 200)
            #expect(answer.body.utf8.count == body.utf8.count)
        }
    }

    @Test("both ends log a call: who, where to, that it was encrypted, and nothing behind the question mark")
    func accessLog() async throws {
        try await MeshFleet.run { fleet in
            let (_, callee) = try await fleet.instance("identity-check")
            let caller = try await fleet.sidecar("passport-office")
            #expect(try await caller.call("identity-check", "GET", "/people/19840101?name=ada").status == 200)
            for (sidecar, direction) in [(caller, "outbound"), (callee, "inbound")] {
                try await eventually("the \(direction) line") { !sidecar.accessLog.isEmpty }
                let line = try #require(sidecar.accessLog.first)
                #expect(line["direction"]?.text == direction)
                #expect(line["mtls"]?.text == "on")
                #expect(line["path"]?.text == "/people/***")
                #expect(line["from"]?.text == "passport-office")
                #expect(line["to"]?.text == "identity-check")
                #expect(line["status"]?.number == 200)
            }
        }
    }
}
