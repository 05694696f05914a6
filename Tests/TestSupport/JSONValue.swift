public import RegistryModel

/// A whole JSON document as a tree, for tests that look at all of it.
public indirect enum JSONValue: Equatable, Sendable {
    case object([String: JSONValue])
    case array([JSONValue])
    case string(String)
    case number(Double)
    case bool(Bool)
    case null

    public init(parsing bytes: [UInt8]) throws(RegistryModelError) {
        self = try JSONReader.parse(bytes) { (reader) throws(RegistryModelError) in try JSONValue(&reader) }
    }

    private init(_ reader: inout JSONReader) throws(RegistryModelError) {
        switch try reader.peek() {
        case .object:
            var members: [String: JSONValue] = [:]
            try reader.object { (reader, name) throws(RegistryModelError) in
                guard members.updateValue(try JSONValue(&reader), forKey: name) == nil else {
                    throw reader.malformed("the key \(name) stands there twice")
                }
            }
            self = .object(members)
        case .array:
            var elements: [JSONValue] = []
            try reader.array { (reader) throws(RegistryModelError) in elements.append(try JSONValue(&reader)) }
            self = .array(elements)
        case .string: self = .string(try reader.string())
        case .number: self = .number(try reader.double())
        case .bool: self = .bool(try reader.bool())
        case .null:
            try reader.skip()
            self = .null
        }
    }

    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    public var elements: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }

    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    public var number: Double? {
        guard case .number(let number) = self else { return nil }
        return number
    }
}
