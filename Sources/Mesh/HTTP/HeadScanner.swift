import Glibc
import NIOCore

/// Bytes that are no HTTP message, or one that two readers could read in two ways.
struct BadMessage: Error {
    let reason: String
}

/// Finds and takes apart HTTP/1 heads (RFC 9112), once over the bytes and with no string made. Everything that request
/// smuggling lives on is refused instead of repaired: bare LF, folded lines, whitespace around names, two lengths, a length
/// beside a transfer coding.
struct HeadScanner {
    static let maximumHeadBytes = 32 * 1_024
    static let maximumFields = 100

    /// Bytes of an unfinished head that are known not to end it.
    private var searched = 0

    /// Takes a request's head off the buffer's front.
    ///
    /// - Returns: nil while it isn't whole.
    mutating func request(_ buffer: inout ByteBuffer) throws(BadMessage) -> RequestHead? {
        guard let bytes = try head(&buffer) else { return nil }
        var lines = HeadLines(bytes)
        return try lines.request()
    }

    /// Takes a response's head off the buffer's front.
    ///
    /// - Parameter answersHead: it answers `HEAD`: there is no body whatever the fields say.
    mutating func response(_ buffer: inout ByteBuffer, answersHead: Bool) throws(BadMessage) -> ResponseHead? {
        guard let bytes = try head(&buffer) else { return nil }
        var lines = HeadLines(bytes)
        return try lines.response(answersHead: answersHead)
    }

    /// Takes the fields behind the last chunk, up to and with the empty line.
    mutating func trailers(_ buffer: inout ByteBuffer) throws(BadMessage) -> FieldBlock? {
        if buffer.readableBytes >= 2, buffer.getInteger(at: buffer.readerIndex, as: UInt16.self) == 0x0d0a {
            buffer.moveReaderIndex(forwardBy: 2)
            return FieldBlock()
        }
        guard let bytes = try head(&buffer) else { return nil }
        var lines = HeadLines(bytes)
        return try lines.trailers()
    }

    private mutating func head(_ buffer: inout ByteBuffer) throws(BadMessage) -> ByteBuffer? {
        let found = buffer.withUnsafeReadableBytes { bytes -> Int? in
            guard let base = bytes.baseAddress else { return nil }
            var from = max(0, searched - 3)
            while from < bytes.count, let hit = memchr(base + from, 0x0a, bytes.count - from) {
                let line = UnsafeRawPointer(hit) - base
                // An LF before either form makes the head one to refuse, not one to wait for.
                if line >= 2, bytes[line - 1] == 0x0d, bytes[line - 2] == 0x0a { return line + 1 }
                if line >= 1, bytes[line - 1] == 0x0a { return line + 1 }
                from = line + 1
            }
            return nil
        }
        guard let found, found <= Self.maximumHeadBytes else {
            searched = buffer.readableBytes
            guard buffer.readableBytes <= Self.maximumHeadBytes else {
                throw BadMessage(reason: "a head of over \(Self.maximumHeadBytes / 1_024) KiB")
            }
            return nil
        }
        searched = 0
        return buffer.readSlice(length: found)
    }
}

/// The lines of one whole head.
private struct HeadLines {
    private let bytes: ByteBuffer
    private var offset = 0
    private var fields: [Field] = []

    private var length: UInt64?
    private var isChunked = false
    private var closes = false
    private var asksKeepAlive = false
    private var namesUpgrade = false
    private var hasForeignOptions = false
    private var hosts = 0

    init(_ bytes: ByteBuffer) {
        self.bytes = bytes
        fields.reserveCapacity(16)
    }

    mutating func request() throws(BadMessage) -> RequestHead {
        let first = try unsafe(bytes) { (bytes) throws(BadMessage) in
            // RFC 9112 §2.2: an empty line before the request line is to be passed over.
            if bytes.count > 2, bytes[0] == 0x0d, bytes[1] == 0x0a { offset = 2 }
            return try requestLine(bytes)
        }
        try readFields()
        guard hosts <= 1 else { throw BadMessage(reason: "more than one Host") }
        guard first.minor == 1 || !isChunked else { throw BadMessage(reason: "a transfer coding in HTTP/1.0") }
        guard first.minor == 0 || hosts == 1 else { throw BadMessage(reason: "no Host") }
        var head = RequestHead(
            block: FieldBlock(bytes: bytes, fields: fields),
            method: first.method,
            target: first.target,
            framing: isChunked ? .chunked : length.map { $0 == 0 ? .none : .length($0) } ?? .none,
            keepsAlive: first.minor == 1 ? !closes : asksKeepAlive && !closes,
            upgrades: false
        )
        head.isHTTP10 = first.minor == 0
        if namesUpgrade, first.minor == 1, let upgrade = head.block.first(.upgrade) {
            head.upgrades = !head.block.hasPrefix(upgrade.value, "h2c")
        }
        if hasForeignOptions { applyConnectionOptions(&head.block) }
        return head
    }

    mutating func response(answersHead: Bool) throws(BadMessage) -> ResponseHead {
        let first = try unsafe(bytes) { (bytes) throws(BadMessage) in try statusLine(bytes) }
        try readFields()
        let framing: BodyFraming
        if first.status == 101 {
            framing = .tunnel
        } else if answersHead || first.status < 200 || first.status == 204 || first.status == 304 {
            framing = .none
        } else if isChunked {
            framing = .chunked
        } else if let length {
            framing = length == 0 ? .none : .length(length)
        } else {
            framing = .untilClose
        }
        var head = ResponseHead(
            block: FieldBlock(bytes: bytes, fields: fields),
            status: first.status,
            framing: framing,
            keepsAlive: framing != .untilClose && (first.minor == 1 ? !closes : asksKeepAlive && !closes)
        )
        if hasForeignOptions { applyConnectionOptions(&head.block) }
        return head
    }

    mutating func trailers() throws(BadMessage) -> FieldBlock {
        try readFields()
        // RFC 9110 §6.5.1: nothing in a trailer may say how the message is framed or routed.
        fields.removeAll { $0.known == .contentLength || $0.known == .transferEncoding || $0.known == .host }
        return FieldBlock(bytes: bytes, fields: fields)
    }

    // MARK: First lines

    private mutating func requestLine(
        _ bytes: UnsafeRawBufferPointer
    ) throws(BadMessage) -> (method: Range<UInt16>, target: Range<UInt16>, minor: Int) {
        let line = try nextLine(bytes)
        guard let space = bytes[line].firstIndex(of: 0x20), space > line.lowerBound else {
            throw BadMessage(reason: "no request line")
        }
        for index in line.lowerBound..<space where !isTokenByte(bytes[index]) {
            throw BadMessage(reason: "a method with a byte that none has")
        }
        let targetStart = space + 1
        // " HTTP/1.1"
        let targetEnd = line.upperBound - 9
        guard targetEnd > targetStart, bytes[targetEnd] == 0x20 else { throw BadMessage(reason: "no request line") }
        for index in targetStart..<targetEnd where bytes[index] <= 0x20 || bytes[index] == 0x7f {
            throw BadMessage(reason: "whitespace or a control character in the request target")
        }
        let minor = try minorVersion(bytes[(targetEnd + 1)..<line.upperBound])
        return (UInt16(line.lowerBound)..<UInt16(space), UInt16(targetStart)..<UInt16(targetEnd), minor)
    }

    private mutating func statusLine(_ bytes: UnsafeRawBufferPointer) throws(BadMessage) -> (status: Int, minor: Int) {
        let line = try nextLine(bytes)
        guard line.count >= 12, bytes[line.lowerBound + 8] == 0x20,
            line.count == 12 || bytes[line.lowerBound + 12] == 0x20
        else { throw BadMessage(reason: "no status line") }
        let minor = try minorVersion(bytes[line.lowerBound..<(line.lowerBound + 8)])
        guard let status = decimal(bytes[(line.lowerBound + 9)..<(line.lowerBound + 12)]), status >= 100, status < 600
        else {
            throw BadMessage(reason: "no status code")
        }
        return (Int(status), minor)
    }

    private func minorVersion(_ text: Slice<UnsafeRawBufferPointer>) throws(BadMessage) -> Int {
        let name = UnsafeRawBufferPointer(rebasing: text)
        let prefix: StaticString = "HTTP/1."
        guard name.count == 8 else { throw BadMessage(reason: "no HTTP version") }
        for index in 0..<7 where name[index] != prefix.utf8Start[index] {
            throw BadMessage(reason: "a version that is neither HTTP/1.1 nor HTTP/1.0")
        }
        switch name[7] {
        case UInt8(ascii: "1"): return 1
        case UInt8(ascii: "0"): return 0
        default: throw BadMessage(reason: "a version that is neither HTTP/1.1 nor HTTP/1.0")
        }
    }

    // MARK: Fields

    private mutating func readFields() throws(BadMessage) {
        try unsafe(bytes) { (bytes) throws(BadMessage) in
            while true {
                let line = try nextLine(bytes)
                if line.isEmpty { break }
                guard fields.count < HeadScanner.maximumFields else {
                    throw BadMessage(reason: "over \(HeadScanner.maximumFields) fields")
                }
                try readField(bytes, line)
            }
        }
    }

    @inline(__always)
    private mutating func readField(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) throws(BadMessage) {
        var colon = line.lowerBound
        while colon < line.upperBound, isTokenByte(bytes[colon]) { colon += 1 }
        guard colon < line.upperBound, bytes[colon] == UInt8(ascii: ":"), colon > line.lowerBound else {
            throw BadMessage(
                reason: bytes[line.lowerBound] == 0x20 || bytes[line.lowerBound] == 0x09
                    ? "a folded line" : "a field without a clean name"
            )
        }
        var start = colon + 1
        var end = line.upperBound
        while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
        while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
        for index in start..<end where bytes[index] < 0x20 && bytes[index] != 0x09 || bytes[index] == 0x7f {
            throw BadMessage(reason: "a control character in a field")
        }
        let known = KnownField(UnsafeRawBufferPointer(rebasing: bytes[line.lowerBound..<colon]))
        if known != .other { try note(known, bytes[start..<end]) }
        fields.append(
            Field(
                name: UInt16(line.lowerBound)..<UInt16(colon),
                value: UInt16(start)..<UInt16(end),
                known: known
            )
        )
    }

    private mutating func note(_ known: KnownField, _ value: Slice<UnsafeRawBufferPointer>) throws(BadMessage) {
        switch known {
        case .host: hosts += 1
        case .contentLength:
            guard length == nil else { throw BadMessage(reason: "two lengths") }
            guard !isChunked else { throw BadMessage(reason: "a length beside a transfer coding") }
            guard let number = decimal(value), value.count <= 18 else {
                throw BadMessage(reason: "a length that is no number")
            }
            length = number
        case .transferEncoding:
            guard length == nil else { throw BadMessage(reason: "a length beside a transfer coding") }
            let name = UnsafeRawBufferPointer(rebasing: value)
            guard !isChunked, name.count == 7, name.isName("chunked") else {
                throw BadMessage(reason: "a transfer coding other than chunked")
            }
            isChunked = true
        case .connection: noteConnection(value)
        default: break
        }
    }

    private mutating func noteConnection(_ value: Slice<UnsafeRawBufferPointer>) {
        let value = UnsafeRawBufferPointer(rebasing: value)
        guard !noteConnectionOption(value) else { return }
        for option in options(value) where !noteConnectionOption(option) { hasForeignOptions = true }
    }

    /// - Returns: whether it is one that means something here.
    private mutating func noteConnectionOption(_ option: UnsafeRawBufferPointer) -> Bool {
        switch option.count {
        case 5 where option.isName("close"): closes = true
        case 10 where option.isName("keep-alive"): asksKeepAlive = true
        case 7 where option.isName("upgrade"): namesUpgrade = true
        default: return false
        }
        return true
    }

    /// Marks the fields that `Connection` names: they end here. Framing and routing are beyond its reach.
    private func applyConnectionOptions(_ block: inout FieldBlock) {
        let named = block.bytes.withUnsafeReadableBytes { bytes in
            block.fields.filter { $0.known == .connection }.flatMap { field in
                options(UnsafeRawBufferPointer(rebasing: bytes[field.value.integers])).map { $0.map { $0 | 0x20 } }
            }
        }
        block.bytes.withUnsafeReadableBytes { bytes in
            for index in block.fields.indices {
                switch block.fields[index].known {
                case .host, .contentLength, .transferEncoding, .connection, .upgrade: continue
                default: break
                }
                let name = bytes[block.fields[index].name.integers].map { $0 | 0x20 }
                if named.contains(name) { block.fields[index].known = .hop }
            }
        }
    }

    private func options(_ value: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        value.split(separator: UInt8(ascii: ",")).map { part in
            var part = part
            while let first = part.first, first == 0x20 || first == 0x09 { part = part.dropFirst() }
            while let last = part.last, last == 0x20 || last == 0x09 { part = part.dropLast() }
            return UnsafeRawBufferPointer(rebasing: part)
        }
    }

    /// The next line without its CRLF.
    @inline(__always)
    private mutating func nextLine(_ bytes: UnsafeRawBufferPointer) throws(BadMessage) -> Range<Int> {
        guard let base = bytes.baseAddress, offset < bytes.count,
            let hit = memchr(base + offset, 0x0a, bytes.count - offset)
        else { throw BadMessage(reason: "a head without an end") }
        let end = UnsafeRawPointer(hit) - base
        guard end > offset, bytes[end - 1] == 0x0d else { throw BadMessage(reason: "a line that ends with LF alone") }
        defer { offset = end + 1 }
        return offset..<(end - 1)
    }
}

/// `withUnsafeReadableBytes`, for closures that throw typed errors.
@inline(__always)
private func unsafe<R>(
    _ buffer: ByteBuffer,
    _ body: (UnsafeRawBufferPointer) throws(BadMessage) -> R
) throws(BadMessage) -> R {
    let result: Result<R, BadMessage> = buffer.withUnsafeReadableBytes { bytes in
        do throws(BadMessage) {
            return .success(try body(bytes))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

/// `tchar` of RFC 9110 §5.6.2: letters, digits and `!#$%&'*+-.^_`|~`, a bit for each of the 128.
@inline(__always)
private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0..<64: 0x03ff_6cfa_0000_0000 as UInt64 >> UInt64(byte) & 1 == 1
    case 64..<128: 0x57ff_ffff_c7ff_fffe as UInt64 >> UInt64(byte - 64) & 1 == 1
    default: false
    }
}
