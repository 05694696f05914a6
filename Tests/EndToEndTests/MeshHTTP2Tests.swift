import Foundation
import Mesh
import Synchronization
import TestSupport
import Testing

/// HTTP/2 towards applications and from callers, frame by frame, through real sidecars.
@Suite("HTTP/2 through two sidecars")
struct MeshHTTP2Tests {
    /// How an application says that it has not looked at a request.
    enum Refusal: CaseIterable {
        case refusedStream
        case goAway

        func send(_ stream: UInt32, on wire: Wire) throws {
            switch self {
            case .refusedStream:
                try wire.send(
                    WireFrame(kind: WireFrame.Kind.reset, stream: stream, payload: WireFrame.refusedStream)
                )
            case .goAway:
                try wire.send(
                    WireFrame(kind: WireFrame.Kind.goAway, payload: WireFrame.number(0) + WireFrame.number(0))
                )
            }
        }
    }

    @Test(
        "what an application refuses unseen goes to another instance, though nothing says that it may be sent twice",
        arguments: Refusal.allCases
    )
    func undelivered(refusal: Refusal) async throws {
        let refused = Mutex(0)
        let answered = Mutex(0)
        let refusing = try WireServer { wire in
            try wire.serveHTTP2 { stream in
                refused.withLock { $0 += 1 }
                try refusal.send(stream, on: wire)
            }
        }
        let good = try WireServer { wire in
            try wire.serveHTTP2 { stream in
                answered.withLock { $0 += 1 }
                let flags = WireFrame.Flag.endHeaders | WireFrame.Flag.endStream
                try wire.send(
                    WireFrame(kind: WireFrame.Kind.headers, flags: flags, stream: stream, payload: WireFrame.status200)
                )
            }
        }
        try await MeshFleet.run { fleet in
            for (id, app) in [("refuses", refusing), ("answers", good)] {
                _ = try await fleet.sidecar("billing", id: id, port: Int(app.port), service: ["protocol: h2c"])
                try await fleet.awaitRoutable("billing", id)
            }
            let caller = try await fleet.sidecar("passport-office")
            var calls = 0
            try await eventually("a call that was refused") {
                let answer = try await caller.call("billing", "POST", "/charge")
                calls += 1
                #expect(answer.status == 200, "\(answer.text)")
                let wasRefused = refused.withLock { $0 } > 0
                #expect(answer.header("x-hms-attempts") == (wasRefused ? "2" : "1"))
                return wasRefused
            }
            #expect(answered.withLock { $0 } == calls)
        }
    }

    @Test("an upload waits for the application: no window is given before it reads, and no sidecar keeps the bytes")
    func upload() async throws {
        let total = 64 * 1_024 * 1_024
        let mayRead = Mutex(false)
        let received = Mutex(0)
        let app = try WireServer { wire in
            _ = try wire.read(to: "\r\n\r\n")
            while !mayRead.withLock({ $0 }) { usleep(10_000) }  // until the test lets it read
            try wire.discard(to: "\r\n0\r\n\r\n") { count in received.withLock { $0 += count } }
            try wire.send("HTTP/1.1 204 No Content\r\n\r\n")
        }
        try await ProtocolFleet.with(port: app.port) { fleet in
            let before = try fleet.residentBytes()
            var upload = try Upload(fleet.connect(), bytes: total)
            #expect(try !upload.send(patience: 1_000))
            #expect(upload.sent < total / 2)
            for (before, after) in zip(before, try fleet.residentBytes()) {
                #expect(after - before < 8 * 1_024 * 1_024)
            }
            mayRead.withLock { $0 = true }
            #expect(try upload.send(patience: 10_000))
            #expect(try upload.status() == WireFrame.status204)
            // Chunk sizes and ends of lines come on top.
            #expect(received.withLock { $0 } > total)
        }
    }

    /// A request whose body is sent as far as the other end gives windows.
    private struct Upload {
        /// `:method: POST`, `:scheme: http`, `:path: /` of HPACK's static table, then `:authority` and the call's own
        /// timeout as literals: the answer comes once all of the body is there.
        private static let head: [UInt8] = {
            var head: [UInt8] = [0x83, 0x86, 0x84, 0x41, 6]
            head += "callee".utf8
            head += [0x00, 16]
            head += "x-hms-timeout-ms".utf8
            head += [5]
            head += "90000".utf8
            return head
        }()
        private static let frameBytes = 16_384

        private let wire: Wire
        private let bytes: Int
        private(set) var sent = 0
        private var connectionWindow = 65_535
        private var streamWindow = 65_535

        init(_ wire: Wire, bytes: Int) throws {
            self.wire = wire
            self.bytes = bytes
            try wire.send(WireFrame.preface)
            try wire.send(WireFrame(kind: WireFrame.Kind.settings))
            try wire.send(
                WireFrame(kind: WireFrame.Kind.headers, flags: WireFrame.Flag.endHeaders, stream: 1, payload: Self.head)
            )
        }

        /// - Parameter patience: in milliseconds.
        /// - Returns: false where nothing more may be sent, and no window has come for so long.
        mutating func send(patience: Int32) throws -> Bool {
            while sent < bytes {
                let room = min(connectionWindow, streamWindow, Self.frameBytes, bytes - sent)
                if room > 0 {
                    let isLast = sent + room == bytes
                    try wire.send(
                        WireFrame(
                            kind: WireFrame.Kind.data,
                            flags: isLast ? WireFrame.Flag.endStream : 0,
                            stream: 1,
                            payload: [UInt8](repeating: UInt8(ascii: "x"), count: room)
                        )
                    )
                    sent += room
                    connectionWindow -= room
                    streamWindow -= room
                } else if wire.hasMore(within: patience) {
                    try take(wire.readFrame())
                } else {
                    return false
                }
            }
            return true
        }

        private mutating func take(_ frame: WireFrame) throws {
            switch frame.kind {
            case WireFrame.Kind.settings where frame.flags & WireFrame.Flag.acknowledgement == 0:
                for place in stride(from: 0, to: frame.payload.count, by: 6)
                where WireFrame.number(frame.payload[place..<(place + 2)]) == WireFrame.initialWindowSize {
                    streamWindow += Int(WireFrame.number(frame.payload[(place + 2)..<(place + 6)])) - 65_535
                }
                try wire.send(WireFrame(kind: WireFrame.Kind.settings, flags: WireFrame.Flag.acknowledgement))
            case WireFrame.Kind.windowUpdate where frame.stream == 0:
                connectionWindow += Int(WireFrame.number(frame.payload))
            case WireFrame.Kind.windowUpdate: streamWindow += Int(WireFrame.number(frame.payload))
            default: break
            }
        }

        /// The answer's first byte of HPACK: its status, where that is one of the static table's.
        mutating func status() throws -> UInt8? {
            while true {
                let frame = try wire.readFrame()
                if frame.kind == WireFrame.Kind.headers { return frame.payload.first }
                try take(frame)
            }
        }
    }
}
