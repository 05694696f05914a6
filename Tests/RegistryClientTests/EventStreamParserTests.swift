import TestSupport
import Testing

@testable import RegistryClient

@Suite("Server-sent events")
struct EventStreamParserTests {
    private static let stream = """
        : watching

        event: service
        data: {"a":
        data: 1}

        event: upsert
        id: e-5
        data:{"b":2}

        :

        data
        id

        retry: 5
        event: never

        """ + "\n"

    private static let expected = [
        ServerSentEvent(name: "service", data: Array("{\"a\":\n1}".utf8), id: nil),
        ServerSentEvent(name: "upsert", data: Array("{\"b\":2}".utf8), id: "e-5"),
        ServerSentEvent(name: "message", data: [], id: ""),
    ]

    @Test("come out the same however the bytes arrive", arguments: ["\n", "\r\n", "\r"])
    func everySplit(lineEnd: String) throws {
        let bytes = Array(Self.stream.replacing("\n", with: lineEnd).utf8)
        for split in 0...bytes.count {
            var parser = EventStreamParser()
            var events: [ServerSentEvent] = []
            try parser.feed(bytes[..<split]) { events.append($0) }
            try parser.feed(bytes[split...]) { events.append($0) }
            #expect(events == Self.expected, "split at \(split)")
        }
    }

    @Test("of hostile bytes never crash the parser")
    func hostile() throws {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<2_000 {
            let alphabet = Array("data:id event\n\r\0{}".utf8) + [0xFF, 0xC3]
            let bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            var parser = EventStreamParser()
            var count = 0
            try parser.feed(bytes) { _ in count += 1 }
            #expect(count <= bytes.count)
        }
    }
}
