/// An HTTP/2 frame, as it stands on the wire (RFC 9113 §4.1).
struct WireFrame: Sendable {
    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
    }

    enum Flag {
        static let endStream: UInt8 = 0x1
        /// Of SETTINGS.
        static let acknowledgement: UInt8 = 0x1
        static let endHeaders: UInt8 = 0x4
    }

    /// What a client says first, before its SETTINGS.
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    /// `:status: 200` of HPACK's static table.
    static let status200: [UInt8] = [0x88]
    static let status204: UInt8 = 0x89
    /// The error code.
    static let refusedStream = number(0x7)
    /// The setting.
    static let initialWindowSize: UInt32 = 0x4

    var kind: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []

    /// In network order.
    static func number(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    }

    static func number(_ bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }
}

extension Wire {
    func send(_ frame: WireFrame) throws {
        try send(
            WireFrame.number(UInt32(frame.payload.count)).dropFirst() + [frame.kind, frame.flags]
                + WireFrame.number(frame.stream) + frame.payload
        )
    }

    func readFrame() throws -> WireFrame {
        let head = try readBytes(9)
        return WireFrame(
            kind: head[3],
            flags: head[4],
            stream: WireFrame.number(head[5...]),
            payload: try readBytes(Int(WireFrame.number(head[..<3])))
        )
    }

    /// Serves a connection over HTTP/2: SETTINGS both ways, then each request's head as it comes.
    func serveHTTP2(_ answer: (_ stream: UInt32) throws -> Void) throws {
        _ = try readBytes(WireFrame.preface.count)
        try send(WireFrame(kind: WireFrame.Kind.settings))
        while true {
            let frame = try readFrame()
            switch frame.kind {
            case WireFrame.Kind.settings where frame.flags & WireFrame.Flag.acknowledgement == 0:
                try send(WireFrame(kind: WireFrame.Kind.settings, flags: WireFrame.Flag.acknowledgement))
            case WireFrame.Kind.headers: try answer(frame.stream)
            default: break
            }
        }
    }
}
