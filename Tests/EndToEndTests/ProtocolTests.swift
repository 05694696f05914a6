import Foundation
import Synchronization
import TestSupport
import Testing

/// HTTP/1 through two real sidecars, byte by byte.
@Suite("HTTP/1 through two sidecars")
struct ProtocolTests {
    @Test("a pipelined connection gets its answers in order, HEAD no body, and HTTP/1.0 its end")
    func connections() async throws {
        let app = try WireServer { wire in
            while true {
                let head = try wire.read(to: "\r\n\r\n")
                let path = head.split(separator: " ")[1]
                let body = head.hasPrefix("HEAD ") ? "" : "\(path)"
                try wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(path.utf8.count)\r\n\r\n\(body)")
            }
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let paths = (1...20).map { "/\($0)" }
            var pipeline = paths.map { "GET \($0) HTTP/1.1\r\nhost: callee\r\n\r\n" }.joined()
            pipeline += "HEAD /head HTTP/1.1\r\nhost: callee\r\n\r\n"
            pipeline += "GET /last HTTP/1.1\r\nhost: callee\r\nconnection: close\r\n\r\n"
            let answers = try fleet.ask(pipeline).components(separatedBy: "HTTP/1.1 200 OK\r\n").dropFirst()
            let bodies = answers.map { $0.components(separatedBy: "\r\n\r\n").last ?? "" }
            #expect(bodies == paths + ["", "/last"])
            #expect(answers.dropLast().last?.contains("content-length: 5\r\n") == true)

            let old = try fleet.ask("GET /old HTTP/1.0\r\nhost: callee\r\n\r\n")
            #expect(old.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(old.hasSuffix("\r\n\r\n/old"))
        }
    }

    @Test("100 Continue, early hints and trailers pass both ways")
    func informational() async throws {
        let app = try WireServer { wire in
            let head = try wire.read(to: "\r\n\r\n")
            guard head.lowercased().contains("expect: 100-continue") else { return }
            try wire.send("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            let body = try wire.read(to: "0\r\n") + wire.read(to: "\r\n\r\n")
            let sum = body.contains("x-sum: 7") ? "seen" : "missing"
            try wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n")
            try wire.send("2\r\nok\r\n0\r\nx-end: \(sum)\r\n\r\n")
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let wire = try fleet.connect()
            try wire.send("POST /upload HTTP/1.1\r\nhost: callee\r\nexpect: 100-continue\r\n")
            try wire.send("transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n")
            #expect(try wire.read(to: "\r\n\r\n").contains("link: </style.css>"))
            #expect(try wire.read(to: "\r\n\r\n").hasPrefix("HTTP/1.1 100 Continue\r\n"))
            try wire.send("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n")
            #expect(try wire.read(to: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(try wire.read(to: "0\r\n").contains("ok"))
            #expect(try wire.read(to: "\r\n\r\n").contains("x-end: seen"))
        }
    }

    @Test("a WebSocket's bytes pass both ways, whichever side is first, and either side ends it")
    func webSocket() async throws {
        let app = try WireServer { wire in
            let head = try wire.read(to: "\r\n\r\n").lowercased()
            guard head.contains("upgrade: websocket"), head.contains("sec-websocket-key: key") else { return }
            try wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello"
            )
            let said = try wire.read(bytes: 5)
            try wire.send("echo \(said)")
            let rest = try wire.readToEnd()
            try wire.send("after \(rest)")
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let wire = try fleet.connect()
            // The first frame does not wait for the 101.
            try wire.send("GET /socket HTTP/1.1\r\nhost: callee\r\nconnection: upgrade\r\nupgrade: websocket\r\n")
            try wire.send("sec-websocket-key: key\r\n\r\nfirst")
            let head = try wire.read(to: "\r\n\r\n")
            #expect(head.hasPrefix("HTTP/1.1 101 "))
            #expect(head.lowercased().contains("upgrade: websocket"))
            #expect(try wire.read(bytes: 15) == "helloecho first")
            try wire.send("last")
            wire.finishSending()
            #expect(try wire.readToEnd() == "after last")
        }
    }

    @Test("CONNECT to a service is a call for each request inside; TLS inside and other hosts are refused")
    func connect() async throws {
        let app = try WireServer { wire in
            while true {
                let head = try wire.read(to: "\r\n\r\n")
                let path = head.split(separator: " ")[1]
                try wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(path.utf8.count)\r\n\r\n\(path)")
            }
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let wire = try fleet.connect()
            try wire.send("CONNECT callee:80 HTTP/1.1\r\nhost: callee:80\r\n\r\n")
            #expect(try wire.read(to: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
            for path in ["/one", "/two"] {
                try wire.send("GET \(path) HTTP/1.1\r\nhost: anything.example\r\n\r\n")
                #expect(try wire.read(to: "\r\n\r\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(try wire.read(bytes: 4) == path)
            }
            let tls = try fleet.connect()
            try tls.send("CONNECT callee:443 HTTP/1.1\r\nhost: callee:443\r\n\r\n")
            _ = try tls.read(to: "\r\n\r\n")
            try tls.send([0x16, 0x03, 0x01, 0x00, 0x05])
            #expect(try tls.readToEnd() == "")
            let outside = try fleet.ask(
                "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\nconnection: close\r\n\r\n"
            )
            #expect(outside.hasPrefix("HTTP/1.1 403 "))
            #expect(outside.contains("x-hms-error: egress-denied"))
        }
    }

    @Test("a slow reader holds the application back, and the sidecars' memory stays bounded")
    func backPressure() async throws {
        let sent = Mutex(0)
        let total = 64 * 1_024 * 1_024
        let app = try WireServer { wire in
            _ = try wire.read(to: "\r\n\r\n")
            try wire.send("HTTP/1.1 200 OK\r\ncontent-length: \(total)\r\n\r\n")
            let part = [UInt8](repeating: 0x61, count: 256 * 1_024)
            for _ in 0..<(total / part.count) {
                try wire.send(part)
                sent.withLock { $0 += part.count }
            }
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let before = try fleet.residentBytes()
            let wire = try fleet.connect(receiveBuffer: 64 * 1_024)
            try wire.send("GET /large HTTP/1.1\r\nhost: callee\r\nconnection: close\r\n\r\n")
            _ = try wire.read(to: "\r\n\r\n")
            var last = -1
            try await eventually("the application to stand still") {
                let now = sent.withLock { $0 }
                defer { last = now }
                try await Task.sleep(for: .milliseconds(200))  // still for so long: that is the condition
                return now == last
            }
            #expect(last < total / 2)
            let after = try fleet.residentBytes()
            for (before, after) in zip(before, after) { #expect(after - before < 8 * 1_024 * 1_024) }
            #expect(try wire.readToEnd().utf8.count == total)
        }
    }

    @Test("an answer that comes before the request's end goes to the caller at once")
    func earlyAnswer() async throws {
        let app = try WireServer { wire in
            _ = try wire.read(to: "\r\n\r\n")
            try wire.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig")
            _ = try wire.readToEnd()
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let wire = try fleet.connect()
            try wire.send("POST /upload HTTP/1.1\r\nhost: callee\r\ncontent-length: 1000000\r\n\r\n")
            #expect(try wire.read(to: "\r\n\r\n").hasPrefix("HTTP/1.1 413 "))
            #expect(try wire.read(bytes: 3) == "big")
        }
    }
}
