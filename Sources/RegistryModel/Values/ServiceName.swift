/// The name that callers use: a DNS label, so that it can stand in a host name, a certificate and a path.
public struct ServiceName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
    public let description: String

    /// Names that mean something else in a mesh.
    public static let reserved = ["localhost", "registry", "hms"]

    /// - Throws: `invalidField` with the rule, and what breaks it.
    public init(_ text: String) throws(RegistryModelError) {
        guard Self.isLabel(text.utf8) else {
            throw RegistryModelError(
                .invalidField,
                "\(quoted(text)) is not a service name: 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
            )
        }
        guard !Self.reserved.contains(text) else {
            throw RegistryModelError(.invalidField, "the service name \(quoted(text)) is reserved")
        }
        self.description = text
    }

    /// The same of bytes; nil where they are no name.
    package init?(utf8 bytes: UnsafeRawBufferPointer) {
        guard Self.isLabel(bytes) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard !Self.reserved.contains(text) else { return nil }
        self.description = text
    }

    private static func isLabel(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        func allowed(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = bytes.first, let last = bytes.last, bytes.count <= 63, allowed(first), allowed(last) else {
            return false
        }
        return bytes.allSatisfy { allowed($0) || $0 == UInt8(ascii: "-") }
    }

    public static func < (lhs: ServiceName, rhs: ServiceName) -> Bool {
        lhs.description < rhs.description
    }
}

/// Tells the instances of a service apart; the same after a restart. Usually `<host>-<app port>`.
public struct InstanceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 1 to 128 bytes of `A-Z a-z 0-9 . _ : -`, beginning with a letter or digit.
    public let description: String

    /// - Throws: `invalidField` with the rule.
    public init(_ text: String) throws(RegistryModelError) {
        guard Self.isID(text.utf8) else {
            throw RegistryModelError(
                .invalidField,
                "\(quoted(text)) is not an instance id: 1 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-', "
                    + "beginning with a letter or digit"
            )
        }
        self.description = text
    }

    /// The same of bytes; nil where they are no id.
    package init?(utf8 bytes: UnsafeRawBufferPointer) {
        guard Self.isID(bytes) else { return nil }
        self.description = String(decoding: bytes, as: UTF8.self)
    }

    private static func isID(_ bytes: some Collection<UInt8>) -> Bool {
        func alphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        func punctuation(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ":")
                || byte == UInt8(ascii: "-")
        }
        guard let first = bytes.first, bytes.count <= 128, alphanumeric(first) else { return false }
        return bytes.allSatisfy { alphanumeric($0) || punctuation($0) }
    }

    public static func < (lhs: InstanceID, rhs: InstanceID) -> Bool {
        lhs.description < rhs.description
    }
}

/// What names one instance everywhere: `service/id`.
public struct InstanceKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let service: ServiceName
    public let id: InstanceID

    public init(service: ServiceName, id: InstanceID) {
        self.service = service
        self.id = id
    }

    public var description: String {
        "\(service)/\(id)"
    }

    public static func < (lhs: InstanceKey, rhs: InstanceKey) -> Bool {
        (lhs.service, lhs.id) < (rhs.service, rhs.id)
    }
}

/// At most 80 code points of what somebody sent, in quotation marks, control characters as `?`.
func quoted(_ text: String) -> String {
    // Scalars: a single character may be as long as its sender likes.
    let scalars = text.unicodeScalars
    var shown = String.UnicodeScalarView()
    for scalar in scalars.prefix(80) {
        shown.append(scalar.value >= 0x20 && scalar.value != 0x7F ? scalar : "?")
    }
    return "\"" + String(shown) + (scalars.dropFirst(80).isEmpty ? "" : "…") + "\""
}

extension String {
    /// No control characters: none of them has a meaning in a name or a word, each confuses a terminal, and without them
    /// nothing that a client sends can look like a header of the log.
    public var isPrintable: Bool {
        utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}
