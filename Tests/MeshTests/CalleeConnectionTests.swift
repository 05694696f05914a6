import NIOCore
import Testing

@testable import Mesh

@Suite("A connection to a callee")
struct CalleeConnectionTests {
    @Test("is used again after a whole answer")
    func again() throws {
        let connection = try CalleeConnection()
        for text in ["one", "two"] {
            let response = try connection.ask()
            try connection.receive("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\(text)")
            #expect(response.body == text)
            #expect(response.isWhole)
        }
        #expect(connection.released == [true, true])
        #expect(connection.handler.isUsable)
    }

    @Test(
        "is not used again where more came than the answer said, or the answer was the last: the next could get foreign bytes",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nokay then",
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\noka\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\noka",
            "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\noka",
        ]
    )
    func moreThanItSaid(answer: String) throws {
        let connection = try CalleeConnection()
        let response = try connection.ask()
        try connection.receive(answer)
        #expect(response.isWhole)
        #expect(["", "oka"].contains(response.body))
        #expect(connection.released == [false])
        #expect(!connection.isOpen)
    }

    @Test("ends where bytes come that nobody asked for")
    func unasked() throws {
        let connection = try CalleeConnection()
        let response = try connection.ask()
        try connection.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        #expect(response.isWhole)
        try connection.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        #expect(!connection.handler.isUsable)
    }

    @Test(
        "an answer that ends early has failed, and nobody knows whether the request was done",
        arguments: [
            "", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        ]
    )
    func shorterThanItSaid(answer: String) throws {
        let connection = try CalleeConnection()
        let response = try connection.ask()
        if !answer.isEmpty { try connection.receive(answer) }
        connection.receiveEnd()
        #expect(!response.isWhole)
        #expect(response.failure?.kind == .reset)
        #expect(response.failure?.delivery == .unknown)
        #expect(connection.released == [false])
    }

    @Test("an answer without a length is whole with the connection's end")
    func untilClose() throws {
        let connection = try CalleeConnection()
        let response = try connection.ask()
        try connection.receive("HTTP/1.1 200 OK\r\n\r\nabc")
        #expect(!response.isWhole)
        connection.receiveEnd()
        #expect(response.isWhole)
        #expect(response.body == "abc")
        #expect(response.failure == nil)
    }

    @Test(
        "what is no HTTP, or HTTP in two ways, fails as malformed and is passed on to nobody",
        arguments: [
            "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: \(String(repeating: "a", count: HeadScanner.maximumHeadBytes))\r\n\r\n",
        ]
    )
    func malformed(answer: String) throws {
        let connection = try CalleeConnection()
        let response = try connection.ask()
        try connection.receive(answer)
        #expect(response.statuses.isEmpty)
        #expect(response.failure?.kind == .malformed)
        #expect(connection.released == [false])
        #expect(!connection.isOpen)
    }

    @Test("interim answers pass before the last one; an answer to HEAD has no body, whatever it says")
    func heads() throws {
        let connection = try CalleeConnection()
        let interim = try connection.ask()
        try connection.receive(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
        )
        #expect(interim.statuses == [100, 103, 204])
        #expect(interim.isWhole)
        let head = try connection.ask("HEAD")
        try connection.receive("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        #expect(head.isWhole)
        #expect(connection.released == [true, true])
    }

    @Test("after a 101 all bytes are the tunnel's, and its end is an end, not a failure")
    func tunnel() throws {
        let connection = try CalleeConnection()
        let response = try connection.ask()
        try connection.receive(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200"
        )
        #expect(response.body == "HTTP/1.1 200")
        connection.receiveEnd()
        #expect(response.isWhole)
        #expect(response.failure == nil)
    }

    @Test("an answer that nobody wants is read to its end where it is short, else the connection ends")
    func discarding() throws {
        let short = try CalleeConnection()
        let unwanted = try short.ask()
        short.handler.discard()
        try short.receive("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
        #expect(unwanted.statuses.isEmpty)
        #expect(short.released == [true])

        let long = try CalleeConnection()
        _ = try long.ask()
        long.handler.discard()
        let body = String(repeating: "x", count: 65 * 1_024)
        try long.receive("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000000\r\n\r\n\(body)")
        #expect(!long.isOpen)
        #expect(!long.released.contains(true))
    }

    @Test("how long the callee keeps it open is read from its Keep-Alive")
    func keepAlive() throws {
        let connection = try CalleeConnection()
        _ = try connection.ask()
        try connection.receive("HTTP/1.1 204 No Content\r\nKeep-Alive: max=100, timeout=5\r\n\r\n")
        #expect(connection.handler.peerKeepAlive == 5)
    }
}
