import NIOCore
import Testing

@testable import Mesh

@Suite("A caller's HTTP/1 connection")
struct CallerConnectionTests {
    @Test(
        "what two readers could read in two ways gets 400 and the connection's end, and what follows it is not looked at",
        arguments: [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n Transfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
        ]
    )
    func smuggling(form: String) throws {
        let connection = try CallerConnection()
        try connection.receive(form + "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.contains("x-hms-error: bad-request\r\n"))
        #expect(answer.ranges(of: "HTTP/1.1 ").count == 1)
        #expect(connection.requests.isEmpty)
        #expect(!connection.isOpen)
    }

    @Test(
        "chunks that are none end a request that has begun: its application hears that the caller is gone, never of an end",
        arguments: ["5\nhello\n0\n\n", "0x5\r\nhello\r\n", "-1\r\n", "5\r\nhelloXX0\r\n\r\n", "fffffffffffffffff\r\n"]
    )
    func brokenChunks(chunks: String) throws {
        let connection = try CallerConnection()
        try connection.receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)")
        #expect(connection.requests.count == 1)
        #expect(connection.requests.first?.isCallerGone == true)
        #expect(connection.requests.first?.isWhole == false)
        #expect(try connection.sent().hasPrefix("HTTP/1.1 400 "))
        #expect(!connection.isOpen)
    }

    @Test("a damaged chunk behind the response's head cuts the response instead of writing a second one into it")
    func brokenChunkBehindTheHead() throws {
        let connection = try CallerConnection()
        try connection.receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.requests.first?.answer(status: 200, framing: .chunked)
        try connection.receive("zz\r\n")
        #expect(try connection.sent().ranges(of: "HTTP/1.1 ").count == 1)
        #expect(!connection.isOpen)
    }

    @Test("pipelined requests are taken one by one, in order, and nothing is read meanwhile")
    func pipelining() throws {
        let connection = try CallerConnection()
        try connection.receive(
            (1...3).map { "POST /\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n:\($0)" }.joined()
        )
        #expect(connection.requests.map(\.target) == ["/1"])
        let reads = connection.reads.count
        connection.read()
        #expect(connection.reads.count == reads)
        for number in 1...3 {
            #expect(connection.requests.map(\.target) == (1...number).map { "/\($0)" })
            #expect(connection.requests.last?.body == ":\(number)")
            connection.requests.last?.answer("answer \(number)")
            #expect(try connection.sent().hasSuffix("answer \(number)"))
        }
        connection.read()
        #expect(connection.reads.count > reads)
        #expect(connection.isOpen)
    }

    @Test("however the bytes of two requests arrive, the same two come out")
    func splits() throws {
        let text =
            "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n"
            + "3;ext=1\r\nabc\r\n0\r\nx-sum: 7\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
        let bytes = Array(text.utf8)
        for cut in 1..<bytes.count {
            let connection = try CallerConnection()
            for piece in [bytes[..<cut], bytes[cut...]] {
                try connection.receive(String(decoding: piece, as: UTF8.self))
            }
            connection.requests.first?.answer("one")
            #expect(connection.requests.map(\.target) == ["/1", "/2"])
            #expect(connection.requests.map(\.body) == ["abc", ""])
            #expect(connection.requests.first?.trailers == ["x-sum"])
            #expect(connection.requests.map(\.isWhole) == [true, true])
        }
    }

    @Test("bytes beyond the content-length are the next request, and none of them the first one's")
    func longerThanItSaid() throws {
        let connection = try CallerConnection()
        try connection.receive("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcdef\r\n\r\n")
        #expect(connection.requests.map(\.body) == ["abc"])
        connection.requests.first?.answer("one")
        let answers = try connection.sent()
        #expect(answers.contains("\r\n\r\noneHTTP/1.1 400 "))
        #expect(connection.requests.count == 1)
        #expect(!connection.isOpen)
    }

    @Test("a body that ends before its content-length is no whole request", arguments: [true, false])
    func shorterThanItSaid(isHalfClosed: Bool) throws {
        let connection = try CallerConnection()
        try connection.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        if isHalfClosed { connection.receiveEnd() } else { connection.end() }
        #expect(connection.requests.first?.body == "abc")
        #expect(connection.requests.first?.isWhole == false)
        #expect(connection.requests.first?.isCallerGone == true)
        #expect(!connection.isOpen)
    }

    @Test("a caller that ends its side waits for nothing any more; within a tunnel it has only said all that it will")
    func halfClose() throws {
        let waiting = try CallerConnection()
        try waiting.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        waiting.receiveEnd()
        #expect(waiting.requests.first?.isCallerGone == true)

        let tunnel = try CallerConnection()
        try tunnel.receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        let request = try #require(tunnel.requests.first)
        request.answer(status: 101, framing: .tunnel)
        tunnel.receiveEnd()
        #expect(!request.isCallerGone)
        #expect(tunnel.isOpen)
        request.writer.write(body: ByteBuffer(string: "last words"))
        request.writer.writeEnd(trailers: nil)
        #expect(try tunnel.sent().hasSuffix("last words"))
        #expect(!tunnel.isOpen)
    }

    @Test("100 Continue goes before the answer, and to no HTTP/1.0 caller")
    func interim() throws {
        for (version, isToldSo) in [("1.1", true), ("1.0", false)] {
            let connection = try CallerConnection()
            try connection.receive(
                "POST / HTTP/\(version)\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
            )
            let request = try #require(connection.requests.first)
            request.writer.write(informational: .sample(status: 100, framing: .none))
            #expect(try connection.sent() == (isToldSo ? "HTTP/1.1 100 Continue\r\n\r\n" : ""))
            try connection.receive("abc")
            #expect(request.body == "abc")
            request.answer("ok")
            #expect(try connection.sent().hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test("an upgrade makes a tunnel: bytes that came before the 101 pass, and no byte is read as a request any more")
    func upgrade() throws {
        let connection = try CallerConnection()
        try connection.receive(
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /no HTTP/1.1\r\n\r\n"
        )
        let request = try #require(connection.requests.first)
        request.answer(status: 101, framing: .tunnel)
        #expect(try connection.sent().contains("upgrade: websocket\r\n"))
        #expect(request.body == "GET /no HTTP/1.1\r\n\r\n")
        try connection.receive("GET /no HTTP/1.1\r\nHost: a\r\n\r\n")
        request.writer.write(body: ByteBuffer(string: "frame"))
        request.writer.flush()
        #expect(try connection.sent() == "frame")
        #expect(connection.requests.count == 1)
    }

    @Test("an upgrade that is answered as any other request leaves the connection as it was")
    func upgradeDeclined() throws {
        let connection = try CallerConnection()
        try connection.receive(
            "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        connection.requests.first?.answer("no")
        #expect(connection.requests.map(\.target) == ["/1", "/2"])
    }

    @Test("a head that is too long is refused before it ends, also where it comes byte by byte")
    func longHeads() throws {
        let piece = String(repeating: "a", count: 1_024)
        let connection = try CallerConnection()
        try connection.receive("GET / HTTP/1.1\r\nHost: a\r\nX: ")
        var pieces = 0
        while connection.isOpen, pieces < 100 {
            try connection.receive(piece)
            pieces += 1
        }
        #expect(pieces == HeadScanner.maximumHeadBytes / piece.utf8.count)
        #expect(try connection.sent().hasPrefix("HTTP/1.1 400 "))
        #expect(connection.requests.isEmpty)
    }

    @Test(
        "an answer before the request's end: what is left of it is passed over, up to a bound, and the next one served"
    )
    func earlyAnswer() throws {
        let connection = try CallerConnection()
        try connection.receive("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        connection.requests.first?.answer("too large")
        #expect(try connection.sent().hasSuffix("too large"))
        try connection.receive("defGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(connection.requests.map(\.target) == ["/1", "/2"])

        let endless = try CallerConnection()
        try endless.receive("POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        endless.requests.first?.answer("too large")
        var pieces = 0
        while endless.isOpen, pieces < 1_000 {
            try endless.receive("400\r\n\(String(repeating: "x", count: 1_024))\r\n")
            pieces += 1
        }
        #expect((250...256).contains(pieces))
    }

    @Test(
        "an answer that ended with its head, as HTTP/2's may, says that it has no body, where HTTP/1 would wait for one",
        arguments: [
            ("GET", 200, true), ("GET", 500, true), ("GET", 204, false), ("GET", 304, false), ("HEAD", 200, false),
        ]
    )
    func bodiless(method: String, status: Int, isSaid: Bool) throws {
        let connection = try CallerConnection()
        try connection.receive("\(method) / HTTP/1.1\r\nHost: a\r\n\r\n")
        let request = try #require(connection.requests.first)
        request.answer(status: status, framing: .none)
        request.writer.writeEnd(trailers: nil)
        let answer = try connection.sent()
        #expect(answer.contains("content-length: 0\r\n") == isSaid, "\(answer)")
        #expect(answer.hasSuffix("\r\n\r\n"))
        #expect(connection.isOpen)
    }

    @Test("a response that is cut ends the connection without its last chunk")
    func cutResponse() throws {
        let connection = try CallerConnection()
        try connection.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let request = try #require(connection.requests.first)
        request.answer(status: 200, framing: .chunked)
        request.writer.write(body: ByteBuffer(string: "half"))
        request.writer.cut()
        let answer = try connection.sent()
        #expect(answer.hasSuffix("4\r\nhalf\r\n"))
        #expect(!connection.isOpen)
    }

    @Test("Connection: close, and a stop that waits for the response, end the connection behind its last byte")
    func lastResponses() throws {
        let closing = try CallerConnection()
        try closing.receive("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        closing.requests.first?.answer("bye")
        #expect(try closing.sent().contains("connection: close\r\n"))
        #expect(!closing.isOpen)
        #expect(closing.requests.count == 1)

        let stopped = try CallerConnection()
        try stopped.receive("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
        stopped.handler.finishAndClose()
        #expect(stopped.isOpen)
        stopped.requests.first?.answer("bye")
        #expect(try stopped.sent().hasSuffix("bye"))
        #expect(!stopped.isOpen)
    }
}
