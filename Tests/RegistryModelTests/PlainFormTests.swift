import TestSupport
import Testing

@testable import RegistryModel

/// What is read directly is what the protobuf library reads: in whatever form the bytes are.
@Suite("Events in their plain form")
struct PlainFormTests {
    /// Kinds that are read directly, as ``SeededGenerator`` numbers them.
    private static let frequent: Set<Int> = [0, 1, 2, 3, 8, 16]

    /// Either both have the same event, or both refuse.
    private func expectAgreement(_ bytes: [UInt8], _ seed: UInt64) {
        bytes.withUnsafeBytes { raw in
            let direct = try? Event(serialized: raw)
            let library = try? Event(byLibrary: raw)
            #expect(direct == library, "seed \(seed): \(bytes)")
        }
    }

    @Test("frequent kinds are read without the library, others are not", arguments: 0..<SeededGenerator.eventKinds)
    func path(kind: Int) {
        var random = SeededGenerator(usual: UInt64(200 + kind))
        for _ in 0..<50 {
            let event = random.event(random.magnitude(), time: random.timestamp(), kind: kind)
            let plain = event.serialized().withUnsafeBytes { Event(plain: $0) }
            #expect(plain == (Self.frequent.contains(kind) ? event : nil), "seed \(random.seed)")
        }
    }

    @Test(
        "fields in any order, repeated, left out, unknown or of another type",
        arguments: 0..<SeededGenerator.eventKinds
    )
    func forms(kind: Int) {
        var random = SeededGenerator(usual: UInt64(300 + kind))
        for _ in 0..<200 {
            let bytes = random.event(random.magnitude(), time: random.timestamp(), kind: kind).serialized()
            expectAgreement(random.rearranging(bytes), random.seed)
        }
    }

    @Test("truncated, flipped and meaningless bytes", arguments: 0..<SeededGenerator.eventKinds)
    func hostile(kind: Int) {
        var random = SeededGenerator(usual: UInt64(400 + kind))
        for _ in 0..<3 {
            let bytes = random.event(random.magnitude(), kind: kind).serialized()
            for count in 0..<bytes.count { expectAgreement(Array(bytes[..<count]), random.seed) }
            for _ in 0..<200 { expectAgreement(random.flippingOneBit(of: bytes), random.seed) }
        }
        for _ in 0..<200 { expectAgreement(random.bytes(random.below(24)), random.seed) }
    }

    @Test("text that is no UTF-8, and numbers in more bytes than they need")
    func encodings() {
        let event = Event(
            sequence: SequenceNumber(300),
            time: Sample.time,
            actor: Actor(.token("é"), peer: "ü"),
            kind: .healthChanged(
                HealthChange(
                    key: Sample.key("billing", "b-1"),
                    handle: InstanceHandle(5),
                    from: .healthy,
                    to: .unhealthy,
                    cause: .probe,
                    detail: "größer"
                )
            )
        )
        let bytes = event.serialized()
        for index in bytes.indices where bytes[index] >= 0x80 {
            for byte in [0x41, 0x80, 0xC0, 0xED, 0xFF] as [UInt8] {
                var changed = bytes
                changed[index] = byte
                expectAgreement(changed, UInt64(index))
            }
        }
        // Sequence 1, in two bytes, in ten, and in ten that are more than 64 bits.
        expectAgreement([0x08, 0x81, 0x00] + bytes.dropFirst(3), 1)
        let nine = [UInt8](repeating: 0x80, count: 8)
        expectAgreement([0x08, 0x81] + nine + [0x00] + bytes.dropFirst(3), 2)
        expectAgreement([0x08, 0x81] + nine + [0x02] + bytes.dropFirst(3), 3)
    }
}

extension SeededGenerator {
    /// Fields that no event has, and forms that no encoder chooses.
    private static let oddities: [[UInt8]] = [
        [0xA0, 0x06, 0x05], [0xA1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8], [0xA2, 0x06, 0x02, 1, 2],
        [0xA3, 0x06, 0x08, 0x01, 0xA4, 0x06], [0xA3, 0x06, 0x08, 0x01], [0xA5, 0x06, 1, 2, 3, 4],
        [0x00, 0x01], [0x0F], [0x08, 0x00], [0x0A, 0x00], [0x1A, 0x00], [0x1A, 0x02, 0x22, 0x00], [0x52, 0x00],
        [0x6A, 0x00], [0x20, 0x00], [0x20, 0x01], [0x28, 0xFF, 0xFF, 0x03], [0x30, 0x09], [0x30, 0x80, 0x02],
        [0x22, 0x02, 0xC3, 0x28], [0x09, 0, 0, 0, 0, 0, 0, 0, 0],
    ]

    /// A message's bytes with its fields, and those of the messages in it, in another order, some of them twice, left
    /// out, or beside others.
    fileprivate mutating func rearranging(_ bytes: [UInt8], depth: Int = 0) -> [UInt8] {
        var fields = Self.fields(of: bytes)
        for index in fields.indices where depth < 2 && fields[index][0] & 7 == 2 && oneIn(2) {
            var offset = 0
            let head = fields[index].withUnsafeBytes { raw -> Int in
                _ = Varint.read(raw, at: &offset)
                let tagBytes = offset
                _ = Varint.read(raw, at: &offset)
                return tagBytes
            }
            let content = rearranging(Array(fields[index][offset...]), depth: depth + 1)
            var field = Array(fields[index][..<head])
            Varint.append(UInt64(content.count), to: &field)
            fields[index] = field + content
        }
        for _ in 0..<below(3) where !fields.isEmpty {
            switch below(4) {
            case 0: fields.swapAt(below(fields.count), below(fields.count))
            case 1: fields.insert(fields[below(fields.count)], at: below(fields.count))
            case 2: fields.remove(at: below(fields.count))
            default: fields.insert(pick(Self.oddities), at: below(fields.count))
            }
        }
        return fields.flatMap { $0 }
    }

    /// A message's fields, tag and all; whatever is no field any more is one piece.
    private static func fields(of bytes: [UInt8]) -> [[UInt8]] {
        var fields: [[UInt8]] = []
        var offset = 0
        bytes.withUnsafeBytes { raw in
            while offset < raw.count {
                let start = offset
                var end = raw.count
                if let tag = Varint.read(raw, at: &offset) {
                    switch tag & 7 {
                    case 0: end = Varint.read(raw, at: &offset) == nil ? raw.count : offset
                    case 1: end = min(raw.count, offset + 8)
                    case 2:
                        if let length = Varint.read(raw, at: &offset), length <= UInt64(raw.count - offset) {
                            end = offset + Int(length)
                        }
                    default: break
                    }
                }
                offset = end
                fields.append(Array(bytes[start..<end]))
            }
        }
        return fields
    }
}
