import NIOCore
import TestSupport
import Testing

@testable import Mesh

@Suite("Bodies of HTTP/1")
struct BodyDecoderTests {
    private struct Read: Equatable {
        var payload: [UInt8] = []
        var isEnded = false
        var trailers: [String] = []
        var rest: [UInt8] = []
    }

    private func read(_ framing: BodyFraming, _ pieces: [[UInt8]]) throws -> Read {
        var decoder = BodyDecoder(framing)
        var buffer = ByteBuffer()
        var read = Read()
        for piece in pieces {
            buffer.writeBytes(piece)
            while !read.isEnded, let part = try decoder.next(&buffer) {
                switch part {
                case .data(let data): read.payload += Array(data.readableBytesView)
                case .end(let trailers):
                    read.isEnded = true
                    read.trailers = trailers.map { block in block.fields.map { block.text($0.name) } } ?? []
                }
            }
        }
        read.rest = Array(buffer.readableBytesView)
        return read
    }

    @Test("a chunked body, its extensions dropped, its trailers kept")
    func chunked() throws {
        let text = "4;name=value\r\nWiki\r\n5\r\npedia\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\nNEXT"
        let whole = try read(.chunked, [Array(text.utf8)])
        #expect(
            whole
                == Read(payload: Array("Wikipedia".utf8), isEnded: true, trailers: ["X-Sum"], rest: Array("NEXT".utf8))
        )
    }

    @Test("however its bytes arrive, a body comes out the same")
    func splits() throws {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<300 {
            var encoded = ByteBuffer()
            var payload: [UInt8] = []
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                let chunk = (0..<Int.random(in: 1...40, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
                encoded.writeChunkSize(chunk.count)
                encoded.writeBytes(chunk)
                encoded.writeString("\r\n")
                payload += chunk
            }
            encoded.writeLastChunk(trailers: nil, keepsMesh: false)
            let bytes = Array(encoded.readableBytesView)
            var pieces: [[UInt8]] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + Int.random(in: 1...9, using: &generator))
                pieces.append(Array(bytes[start..<end]))
                start = end
            }
            #expect(try read(.chunked, pieces) == Read(payload: payload, isEnded: true))
        }
    }

    @Test(
        "chunks that two readers could read in two ways are refused",
        arguments: [
            "5 \r\nhello\r\n", "5\nhello\r\n", "5\r\nhelloX\r\n", "g\r\n", "\r\n", ";x\r\n", "0x5\r\nhello\r\n",
            "-1\r\n",
            "1111111111111111\r\n",
            "5\r\nhello\n0\r\n\r\n",
        ]
    )
    func badChunks(text: String) {
        #expect(throws: BadMessage.self) { try read(.chunked, [Array(text.utf8)]) }
    }

    @Test("a body of a length ends there")
    func length() throws {
        #expect(
            try read(.length(3), [Array("ab".utf8), Array("cd".utf8)])
                == Read(payload: Array("abc".utf8), isEnded: true, rest: Array("d".utf8))
        )
        #expect(try read(.none, [Array("x".utf8)]) == Read(isEnded: true, rest: Array("x".utf8)))
    }
}
