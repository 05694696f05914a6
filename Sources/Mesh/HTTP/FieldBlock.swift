import NIOCore

/// Fields that the proxy reads or writes itself; all others go through as they are.
enum KnownField: UInt8 {
    case other
    case host, connection, contentLength, transferEncoding, upgrade, te, keepAlive, proxyConnection, expect
    case idempotencyKey, retryAfter, traceparent, contentType, grpcStatus, grpcTimeout, http2Settings
    /// Names that begin `x-hms-`, `_` read as `-`: the mesh's own, believed from nobody else.
    case meshService, meshTimeout, meshDelivered, meshRetry, meshError, meshOther
    /// Named by `Connection`: ends here.
    case hop

    var isMesh: Bool {
        rawValue >= Self.meshService.rawValue && rawValue <= Self.meshOther.rawValue
    }

    /// Of this connection alone (RFC 9110 §7.6.1).
    var isHopByHop: Bool {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .te, .transferEncoding, .upgrade, .http2Settings, .hop: true
        default: false
        }
    }
}

/// One field: where its name and value lie in its block's bytes.
struct Field {
    var name: Range<UInt16>
    var value: Range<UInt16>
    var known: KnownField
}

/// The fields of a head or of trailers, as ranges of the bytes that they came in. Heads are at most
/// ``HeadScanner/maximumHeadBytes``, so 16 bits reach everywhere.
struct FieldBlock {
    var bytes: ByteBuffer
    var fields: [Field]

    init(bytes: ByteBuffer = ByteBuffer(), fields: [Field] = []) {
        self.bytes = bytes
        self.fields = fields
    }

    func first(_ known: KnownField) -> Field? {
        fields.first { $0.known == known }
    }

    func text(_ range: Range<UInt16>) -> String {
        bytes.withUnsafeReadableBytes { String(decoding: $0[range.integers], as: UTF8.self) }
    }

    /// The value of the first field of this kind.
    func value(_ known: KnownField) -> String? {
        first(known).map { text($0.value) }
    }

    func number(_ known: KnownField) -> UInt64? {
        guard let field = first(known), field.value.count <= 19 else { return nil }
        return bytes.withUnsafeReadableBytes { decimal($0[field.value.integers]) }
    }

    /// Adds a field, its bytes at the end of the block. Past 64 KiB the field is left out: scanned heads are far below.
    mutating func append(_ name: some StringProtocol, _ value: some StringProtocol, _ known: KnownField = .other) {
        let start = bytes.writerIndex - bytes.readerIndex
        let nameLength = name.utf8.count
        let valueLength = value.utf8.count
        guard start + nameLength + valueLength <= UInt16.max else { return }
        bytes.writeSubstring(Substring(name))
        bytes.writeSubstring(Substring(value))
        let split = UInt16(start + nameLength)
        fields.append(
            Field(name: UInt16(start)..<split, value: split..<(split + UInt16(valueLength)), known: known)
        )
    }
}

extension Range<UInt16> {
    @inline(__always)
    var integers: Range<Int> {
        Int(lowerBound)..<Int(upperBound)
    }
}

/// Decimal digits alone, nothing else.
@inline(__always)
func decimal(_ bytes: Slice<UnsafeRawBufferPointer>) -> UInt64? {
    guard !bytes.isEmpty, bytes.count <= 19 else { return nil }
    var number: UInt64 = 0
    for byte in bytes {
        guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        number = number &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
    }
    return number
}

extension KnownField {
    /// - Parameter name: a field's name, in any case.
    @inline(__always)
    init(_ name: UnsafeRawBufferPointer) {
        switch name.count {
        case 2: self = name.isName("te") ? .te : .other
        case 4: self = name.isName("host") ? .host : .other
        case 6: self = name.isName("expect") ? .expect : .other
        case 7: self = name.isName("upgrade") ? .upgrade : .other
        case 10: self = name.isName("connection") ? .connection : name.isName("keep-alive") ? .keepAlive : .other
        case 11:
            if name.isName("retry-after") {
                self = .retryAfter
            } else if name.isName("traceparent") {
                self = .traceparent
            } else {
                self = name.isName("grpc-status") ? .grpcStatus : .mesh(name)
            }
        case 12:
            self = name.isName("content-type") ? .contentType : name.isName("grpc-timeout") ? .grpcTimeout : .mesh(name)
        case 14:
            self =
                name.isName("content-length")
                ? .contentLength : name.isName("http2-settings") ? .http2Settings : .mesh(name)
        case 15: self = name.isName("idempotency-key") ? .idempotencyKey : .mesh(name)
        case 16: self = name.isName("proxy-connection") ? .proxyConnection : .mesh(name)
        case 17: self = name.isName("transfer-encoding") ? .transferEncoding : .mesh(name)
        default: self = .mesh(name)
        }
    }

    @inline(__always)
    private static func mesh(_ name: UnsafeRawBufferPointer) -> KnownField {
        guard name.count > 6, name[0] | 0x20 == UInt8(ascii: "x"), name.isDash(at: 1),
            name[2] | 0x20 == UInt8(ascii: "h"), name[3] | 0x20 == UInt8(ascii: "m"),
            name[4] | 0x20 == UInt8(ascii: "s"),
            name.isDash(at: 5)
        else { return .other }
        switch name.count {
        case 11: return name.isName("x-hms-retry") ? .meshRetry : name.isName("x-hms-error") ? .meshError : .meshOther
        case 13: return name.isName("x-hms-service") ? .meshService : .meshOther
        case 15: return name.isName("x-hms-delivered") ? .meshDelivered : .meshOther
        case 16: return name.isName("x-hms-timeout-ms") ? .meshTimeout : .meshOther
        default: return .meshOther
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Compares with a lower-case name of the same length.
    @inline(__always)
    func isName(_ lowercase: StaticString) -> Bool {
        let other = lowercase.utf8Start
        for index in 0..<count where self[index] | 0x20 != other[index] { return false }
        return true
    }

    @inline(__always)
    fileprivate func isDash(at index: Int) -> Bool {
        self[index] == UInt8(ascii: "-") || self[index] == UInt8(ascii: "_")
    }
}
