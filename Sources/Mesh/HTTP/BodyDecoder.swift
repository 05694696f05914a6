import NIOCore

/// A piece of a body.
enum BodyPart {
    case data(ByteBuffer)
    /// - Parameter trailers: nil where there are none.
    case end(trailers: FieldBlock?)
}

/// Takes a body's payload out of a connection's bytes. Chunks are taken apart here and made anew where they go on, so that
/// nothing of one hop's framing, extensions least of all, reaches the next.
struct BodyDecoder {
    private enum State {
        case length(UInt64)
        case untilClose
        case chunkSize
        case chunk(UInt64)
        case chunkEnd
        case trailers
        case ended
    }

    /// Bytes of a chunk's size line, extensions and all.
    private static let maximumSizeLine = 256

    private var state: State
    private var scanner = HeadScanner()

    init(_ framing: BodyFraming) {
        switch framing {
        case .none: state = .length(0)
        case .length(let length): state = .length(length)
        case .chunked: state = .chunkSize
        case .untilClose, .tunnel: state = .untilClose
        }
    }

    /// The connection's end is the body's.
    var endsWithConnection: Bool {
        if case .untilClose = state { true } else { false }
    }

    /// - Returns: nil where more bytes are due.
    mutating func next(_ buffer: inout ByteBuffer) throws(BadMessage) -> BodyPart? {
        while true {
            switch state {
            case .ended: return nil
            case .length(0):
                state = .ended
                return .end(trailers: nil)
            case .length(let due):
                guard buffer.readableBytes > 0 else { return nil }
                let take = Int(min(due, UInt64(buffer.readableBytes)))
                state = .length(due - UInt64(take))
                return buffer.readSlice(length: take).map { .data($0) }
            case .untilClose:
                guard buffer.readableBytes > 0 else { return nil }
                return buffer.readSlice(length: buffer.readableBytes).map { .data($0) }
            case .chunkSize:
                guard let size = try chunkSize(&buffer) else { return nil }
                state = size == 0 ? .trailers : .chunk(size)
            case .chunk(0): state = .chunkEnd
            case .chunk(let due):
                guard buffer.readableBytes > 0 else { return nil }
                let take = Int(min(due, UInt64(buffer.readableBytes)))
                state = .chunk(due - UInt64(take))
                return buffer.readSlice(length: take).map { .data($0) }
            case .chunkEnd:
                guard let end = buffer.readInteger(as: UInt16.self) else { return nil }
                guard end == 0x0d0a else { throw BadMessage(reason: "a chunk longer than it said") }
                state = .chunkSize
            case .trailers:
                guard let trailers = try scanner.trailers(&buffer) else { return nil }
                state = .ended
                return .end(trailers: trailers.fields.isEmpty ? nil : trailers)
            }
        }
    }

    /// `chunk-size [ chunk-ext ] CRLF` (RFC 9112 §7.1); extensions are passed over.
    private func chunkSize(_ buffer: inout ByteBuffer) throws(BadMessage) -> UInt64? {
        let view = buffer.readableBytesView.prefix(Self.maximumSizeLine)
        guard let end = view.firstIndex(of: 0x0a) else {
            guard view.count < Self.maximumSizeLine else {
                throw BadMessage(reason: "a chunk's size of too many bytes")
            }
            return nil
        }
        guard end > view.startIndex, view[end - 1] == 0x0d else {
            throw BadMessage(reason: "a line that ends with LF alone")
        }
        var size: UInt64 = 0
        var digits = 0
        let line = view[view.startIndex..<(end - 1)]
        for index in line.indices {
            guard let digit = hexadecimalDigit(line[index]) else {
                // White space belongs to an extension behind it, or to nothing.
                let extensions = line[index...].drop { $0 == 0x20 || $0 == 0x09 }
                guard digits > 0, extensions.first == UInt8(ascii: ";") else {
                    throw BadMessage(reason: "a chunk's size that is no number")
                }
                break
            }
            digits += 1
            guard digits <= 15 else { throw BadMessage(reason: "a chunk's size beyond all measure") }
            size = size << 4 | UInt64(digit)
        }
        guard digits > 0 else { throw BadMessage(reason: "a chunk without a size") }
        buffer.moveReaderIndex(forwardBy: end + 1 - view.startIndex)
        return size
    }

    private func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
