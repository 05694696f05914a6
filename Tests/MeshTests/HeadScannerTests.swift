import NIOCore
import TestSupport
import Testing

@testable import Mesh

@Suite("Heads of HTTP/1")
struct HeadScannerTests {
    private func request(_ text: String) throws -> RequestHead? {
        var buffer = ByteBuffer(string: text)
        var scanner = HeadScanner()
        return try scanner.request(&buffer)
    }

    private func response(_ text: String, answersHead: Bool = false) throws -> ResponseHead? {
        var buffer = ByteBuffer(string: text)
        var scanner = HeadScanner()
        return try scanner.response(&buffer, answersHead: answersHead)
    }

    @Test("a request is taken apart")
    func takenApart() throws {
        let head = try #require(
            try request(
                "POST /validate?x=1 HTTP/1.1\r\nHost: identity-check\r\nContent-Length:  12 \r\nX-HMS-Error: no\r\n\r\n"
            )
        )
        #expect(head.block.text(head.method) == "POST")
        #expect(head.block.text(head.target) == "/validate?x=1")
        #expect(head.framing == .length(12))
        #expect(head.keepsAlive)
        #expect(head.block.value(.host) == "identity-check")
        #expect(head.block.fields.map(\.known) == [.host, .contentLength, .meshError])
    }

    @Test(
        "what two readers could read in two ways is refused",
        arguments: [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "\r\n\r\n",
        ]
    )
    func smuggling(text: String) {
        #expect(throws: BadMessage.self) { try request(text) }
    }

    @Test("an empty line before the request line is passed over")
    func leadingLine() throws {
        #expect(try request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") != nil)
    }

    @Test("heads that are too long or have too many fields are refused, also when they never end")
    func bounds() {
        let long = String(repeating: "a", count: HeadScanner.maximumHeadBytes)
        #expect(throws: BadMessage.self) { try request("GET / HTTP/1.1\r\nHost: a\r\nX: \(long)\r\n\r\n") }
        #expect(throws: BadMessage.self) { try request("GET /\(long)") }
        let many = (0...HeadScanner.maximumFields).map { "x\($0): 1\r\n" }.joined()
        #expect(throws: BadMessage.self) { try request("GET / HTTP/1.1\r\nHost: a\r\n\(many)\r\n") }
    }

    @Test("however a head's bytes arrive, it comes out the same, and nothing behind it is touched")
    func splits() throws {
        let text = "\r\nPUT /a HTTP/1.1\r\nHost: b\r\nConnection: close, x-odd\r\nX-Odd: 1\r\n\r\n"
        let whole = try #require(try request(text))
        for cut in 1..<text.utf8.count {
            var scanner = HeadScanner()
            var buffer = ByteBuffer(bytes: Array(text.utf8)[..<cut])
            #expect(try scanner.request(&buffer) == nil)
            buffer.writeBytes(Array(text.utf8)[cut...])
            buffer.writeString("rest")
            let head = try #require(try scanner.request(&buffer))
            #expect(head.block.fields.map(\.known) == whole.block.fields.map(\.known))
            #expect(buffer.readableBytesView.elementsEqual("rest".utf8))
        }
    }

    @Test("random damage is refused or read, and never crashes")
    func damage() {
        var generator = SeededGenerator(seed: 7)
        let text = Array(
            "POST /v HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTE: trailers\r\nConnection: te, x\r\nX: y\r\n\r\n".utf8
        )
        for _ in 0..<5_000 {
            var bytes = text
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert([0x0a, 0x0d, 0x20, 0x3a].randomElement(using: &generator) ?? 0, at: place)
                }
            }
            var buffer = ByteBuffer(bytes: bytes)
            var scanner = HeadScanner()
            guard let head = try? scanner.request(&buffer) else { continue }
            var written = ByteBuffer()
            written.write(head, path: RequestTarget(path: head.target), adding: AddedFields())
            // What was read is written so that it reads the same.
            var again = HeadScanner()
            let reread = try? again.request(&written)
            #expect(reread?.framing == head.framing)
            #expect(reread.map { $0.block.text($0.target) } == head.block.text(head.target))
        }
    }

    @Test(
        "how a response's body ends",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, BodyFraming.length(5)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, .none),
            ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", false, .chunked),
            ("HTTP/1.1 200 OK\r\n\r\n", false, .untilClose),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, .none),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, .none),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", false, .tunnel),
        ]
    )
    func responseFraming(text: String, answersHead: Bool, framing: BodyFraming) throws {
        #expect(try response(text, answersHead: answersHead)?.framing == framing)
    }

    @Test("the connection's fields end here, and nobody's x-hms fields go on")
    func rewriting() throws {
        let head = try #require(
            try request(
                "GET /a HTTP/1.1\r\nHost: identity-check\r\nConnection: keep-alive, X-Private, Host, Content-Length\r\n"
                    + "X-Private: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\n"
                    + "X-Hms-Caller: me\r\nx_hms_caller: me\r\nX-HMS_Anything: me\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
                    + "X-Hmsx: stays\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n"
            )
        )
        var written = ByteBuffer()
        var added = AddedFields()
        added.add("x-hms-timeout-ms", 800)
        written.write(head, path: RequestTarget(path: head.target), adding: added)
        #expect(
            String(buffer: written)
                == "GET /a HTTP/1.1\r\nHost: identity-check\r\nX-Hmsx: stays\r\nAccept: */*\r\nContent-Length: 0\r\nx-hms-timeout-ms: 800\r\n\r\n"
        )
    }

    @Test("an upgrade goes on as one")
    func upgrade() throws {
        let head = try #require(
            try request("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        )
        #expect(head.upgrades)
        var written = ByteBuffer()
        written.write(head, path: RequestTarget(path: head.target), adding: AddedFields())
        #expect(
            String(buffer: written)
                == "GET /ws HTTP/1.1\r\nHost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        )
    }
}
