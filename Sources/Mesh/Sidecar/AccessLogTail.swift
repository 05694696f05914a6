import NIOCore

/// Somebody who looks on at an access log.
struct AccessLogTail: Sendable {
    let query: TailQuery
    /// Gets whole lines, and how many were left out since it was last called.
    let take: @Sendable (_ lines: ByteBuffer, _ skipped: Int) -> Void
}

/// One event loop's share of a tail: what is wanted and not too much of it, gathered until it is handed on.
struct TailGathering {
    let tail: AccessLogTail
    private var sampler: LineSampler
    private var pending = ByteBuffer()
    private var skipped = 0

    init(_ tail: AccessLogTail) {
        self.tail = tail
        sampler = LineSampler(most: tail.query.linesPerSecond)
    }

    mutating func offer(_ record: AccessRecord, _ line: ArraySlice<UInt8>, now: NIODeadline) {
        guard tail.query.takes(record) else { return }
        guard sampler.takes(record.traceID, now: now) else {
            skipped += 1
            return
        }
        pending.writeBytes(line)
    }

    mutating func flush() {
        guard pending.readableBytes > 0 || skipped > 0 else { return }
        tail.take(pending, skipped)
        pending = ByteBuffer()
        skipped = 0
    }
}
