import NIOCore

/// Bytes that all calls of a sidecar may keep for second tries.
final class KeptBytes {
    static let limit = 8 * 1_024 * 1_024

    private(set) var used = 0

    fileprivate func take(_ count: Int) -> Bool {
        guard used + count <= Self.limit else { return false }
        used += count
        return true
    }

    fileprivate func give(_ count: Int) {
        used -= count
    }
}

/// A request's body so far, kept so that another try can have it from the start. Past ``limit``, or the sidecar's own
/// ``KeptBytes/limit``, it is given up once somebody has begun to take it, and the try under way is the last.
struct KeptBody {
    static let limit = 64 * 1_024

    private(set) var parts: [ByteBuffer] = []
    private(set) var bytes = 0
    /// All that came is in ``parts``.
    private(set) var isWhole = true
    var isEnded = false
    var trailers: FieldBlock?

    /// The caller should wait with more until somebody takes it.
    var isFull: Bool { bytes >= Self.limit }

    /// - Parameter isTaken: a try has taken everything until now, and takes this too.
    mutating func append(_ data: ByteBuffer, isTaken: Bool, in budget: KeptBytes) {
        guard isWhole else { return }
        let isWithin = bytes + data.readableBytes <= Self.limit && budget.take(data.readableBytes)
        if isWithin {
            bytes += data.readableBytes
            parts.append(data)
        } else if isTaken {
            release(in: budget)
            isWhole = false
        } else {
            // Nobody has it yet: it can't be dropped, and the caller is told to wait.
            parts.append(data)
            bytes += data.readableBytes
            budget.force(data.readableBytes)
        }
    }

    mutating func release(in budget: KeptBytes) {
        budget.give(bytes)
        bytes = 0
        parts.removeAll()
    }
}

extension KeptBytes {
    fileprivate func force(_ count: Int) {
        used += count
    }
}
