import RegistryModel
import TestSupport
import Testing

/// A JSON value as a tree: only tests want one.
private indirect enum Value: Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case double(Double)
    case string(String)
    case array([Value])
    case object([Member])

    struct Member: Equatable {
        var key: String
        var value: Value
    }

    static func random(_ random: inout SeededGenerator, depth: Int = 0) -> Value {
        switch random.below(depth < 5 ? 7 : 5) {
        case 0: .null
        case 1: .bool(random.oneIn(2))
        case 2: .integer(Int64(bitPattern: random.magnitude()))
        case 3: .double(randomDouble(&random))
        case 4: .string(random.text(upTo: 24))
        case 5: .array((0..<random.below(5)).map { _ in Value.random(&random, depth: depth + 1) })
        default:
            .object(
                (0..<random.below(5)).map { _ in
                    Member(key: random.text(upTo: 8), value: Value.random(&random, depth: depth + 1))
                }
            )
        }
    }

    private static func randomDouble(_ random: inout SeededGenerator) -> Double {
        let value = Double(bitPattern: random.next())
        // What has no fraction would be read as an integer.
        return value.isFinite && abs(value) < 1e6 && value != value.rounded() ? value : 0.5
    }

    func write(to json: inout JSONWriter) {
        switch self {
        case .null: json.writeNull()
        case .bool(let value): json.write(value)
        case .integer(let value): json.write(value)
        case .double(let value): json.write(value)
        case .string(let value): json.write(value)
        case .array(let values):
            json.beginArray()
            for value in values { value.write(to: &json) }
            json.endArray()
        case .object(let members):
            json.beginObject()
            for member in members {
                json.key(member.key)
                member.value.write(to: &json)
            }
            json.endObject()
        }
    }

    init(from json: inout JSONReader) throws(RegistryModelError) {
        switch try json.peek() {
        case .null: self = json.takeNull() ? .null : .bool(false)
        case .bool: self = .bool(try json.bool())
        case .string: self = .string(try json.string())
        case .number:
            let bytes = try json.raw()
            let text = String(decoding: bytes, as: UTF8.self)
            self = Int64(text).map { .integer($0) } ?? .double(Double(text) ?? .nan)
        case .array:
            var values: [Value] = []
            try json.array { (reader) throws(RegistryModelError) in values.append(try Value(from: &reader)) }
            self = .array(values)
        case .object:
            var members: [Member] = []
            try json.object { (reader, key) throws(RegistryModelError) in
                members.append(Member(key: key, value: try Value(from: &reader)))
            }
            self = .object(members)
        }
    }
}

private func parse(_ bytes: [UInt8]) throws(RegistryModelError) -> Value {
    try JSONReader.parse(bytes) { (reader) throws(RegistryModelError) in try Value(from: &reader) }
}

private func parse(_ text: String) throws(RegistryModelError) -> Value {
    try parse(Array(text.utf8))
}

private let malformed = RegistryModelError(.malformedJSON, "")

@Suite("JSON")
struct JSONTests {
    @Test("what is written reads back the same")
    func roundTrip() throws {
        var random = SeededGenerator(usual: 1)
        for _ in 0..<300 {
            let value = Value.random(&random)
            var writer = JSONWriter()
            value.write(to: &writer)
            #expect(try parse(writer.bytes) == value, "seed \(random.seed): \(writer.string)")
        }
    }

    @Test("no truncation of a document is a document, and no flipped bit a crash")
    func truncationsAndFlips() throws {
        var random = SeededGenerator(usual: 2)
        for _ in 0..<40 {
            var writer = JSONWriter()
            Value.array([Value.random(&random), Value.random(&random)]).write(to: &writer)
            for count in 0..<writer.bytes.count {
                #expect(throws: malformed, "seed \(random.seed)") { _ = try parse(Array(writer.bytes[..<count])) }
            }
            for _ in 0..<50 { _ = try? parse(random.flippingOneBit(of: writer.bytes)) }
        }
    }

    @Test("nesting is bounded, in what is read and in what is passed over")
    func nesting() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            func nested(_ depth: Int) -> String {
                String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
            }
            let deepest = JSONReader.maximumDepth
            _ = try parse(nested(deepest))
            #expect(throws: malformed) { _ = try parse(nested(deepest + 1)) }
            #expect(throws: malformed) { _ = try parse(nested(100_000)) }
            #expect(throws: malformed) {
                try JSONReader.parse(Array(nested(100_000).utf8)) { (json) throws(RegistryModelError) in try json.skip()
                }
            }
        }
        // Beside one another costs no depth.
        _ = try parse("[" + String(repeating: "[],", count: 1_000) + "[]]")
    }

    @Test(
        "escapes and surrogate pairs are read",
        arguments: [
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u0041\u00e9\u8a9e""#, "Aé語"),
            (#""\ud83d\udE00""#, "😀"), (#""\u0000""#, "\u{0}"), (#""a\uFFFFb""#, "a\u{FFFF}b"),
            (#""é語😀""#, "é語😀"), (#""""#, ""),
        ]
    )
    func escapes(_ json: String, _ expected: String) throws {
        #expect(try parse(json) == .string(expected))
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", " ", "nul", "truth", "nullx", "[1,]", "[,1]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{1:1}", "[1 2]",
            "1 2",
            "'a'", "// c\n1", "[1]]", "NaN", "Infinity", "+1", ".5", "1.", "1e", "1e+", "-", "--1", "01", "-01", "0x1",
            #""\x""#, #""\u12""#, #""\u12G4""#, #""\ud800""#, #""\ud800x""#, #""\ud800\n""#, #""\udc00""#,
            #""\ud800\ud800""#, #""\ud800\u0041""#, "\"a\nb\"", "\"a\u{1}b\"", #""a\"#, "\u{feff}1",
        ]
    )
    func refused(_ json: String) {
        #expect(throws: malformed) { _ = try parse(json) }
    }

    @Test("bytes that are not UTF-8 are refused in any string")
    func hostileBytes() {
        let hostile: [[UInt8]] = [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0x80],
        ]
        for bytes in hostile {
            #expect(throws: malformed) { _ = try parse([0x22] + bytes + [0x22]) }
            #expect(throws: malformed) { _ = try parse(Array(#""\n"#.utf8) + bytes + [0x22]) }
            #expect(throws: malformed) { _ = try parse([0x7B, 0x22] + bytes + Array("\":1}".utf8)) }
        }
    }

    @Test("whole numbers are taken to their very edges, and no further")
    func integers() throws {
        func read<I: FixedWidthInteger>(_ text: String, as type: I.Type) throws -> I {
            try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in try json.integer(as: I.self) }
        }
        #expect(try read("-9223372036854775808", as: Int64.self) == .min)
        #expect(try read("18446744073709551615", as: UInt64.self) == .max)
        #expect(try read("255", as: UInt8.self) == 255)
        #expect(try read("-0", as: Int64.self) == 0)
        for text in ["18446744073709551616", "-1", "1.0", "1e2", "1E2", "\"1\"", "null", ""] {
            #expect(throws: malformed, "\(text)") { _ = try read(text, as: UInt64.self) }
        }
        #expect(throws: malformed) { _ = try read("256", as: UInt8.self) }
        #expect(throws: malformed) { _ = try read("9223372036854775808", as: Int64.self) }
    }

    @Test("other numbers are read as doubles, but not beyond them")
    func doubles() throws {
        func read(_ text: String) throws -> Double {
            try JSONReader.parse(Array(text.utf8)) { (json) throws(RegistryModelError) in try json.double() }
        }
        #expect(try read("1.7976931348623157e308") == .greatestFiniteMagnitude)
        #expect(try read("5e-324") == .leastNonzeroMagnitude)
        #expect(try read("-0.25E+1") == -2.5)
        #expect(throws: malformed) { _ = try read("1e309") }
        for value in [Double.greatestFiniteMagnitude, .leastNonzeroMagnitude, 1e16, 0.1, -1.0 / 3] {
            var writer = JSONWriter()
            writer.write(value)
            #expect(try read(writer.string) == value)
        }
        var writer = JSONWriter()
        writer.write(Double.nan)
        writer.write(Double.infinity)
        #expect(writer.string == "null,null")
    }

    @Test("commas come by themselves")
    func commas() {
        var json = JSONWriter()
        json.beginObject()
        json.member("a", 1)
        json.member("b", ["x", "y"])
        json.key("c")
        json.beginArray()
        json.beginObject()
        json.endObject()
        json.write(raw: Array("[2]".utf8))
        json.writeNull()
        json.endArray()
        json.member("t", Timestamp(rawValue: 0))
        json.endObject()
        #expect(json.string == #"{"a":1,"b":["x","y"],"c":[{},[2],null],"t":"1970-01-01T00:00:00.000Z"}"#)
    }
}
