public import RegistryModel

/// A live log's own frames from an event on, as they become durable: segment headers, batches and footers, byte for byte.
/// Put one behind the other they are what the segments hold, and any zstd decoder reads them.
public struct LogTail: Sendable {
    private let directory: String
    private let from: SequenceNumber
    private var segment: SequenceNumber?
    private var offset: UInt64 = 0
    /// So far whole frames reach, as seen last; and whether the segment ends there.
    private var end: UInt64 = 0
    private var isSealed = false

    /// - Parameter sequence: the first frame is the batch that holds it; where a segment begins with it, that one's header.
    public init(directory: String, from sequence: SequenceNumber) {
        self.directory = directory
        from = max(sequence, SequenceNumber(1))
    }

    /// What has come since the last time, through an event that is durable; empty where nothing has. Never waits.
    ///
    /// - Parameter limit: about how many bytes at most.
    public mutating func next(through last: SequenceNumber, limit: Int) throws -> [UInt8] {
        guard last >= from else { return [] }
        let reader = try LogReader(directory: directory, stream: .log)
        guard try findSegment(reader) else { return [] }
        var bytes: [UInt8] = []
        while let segment, bytes.count < limit {
            if offset >= end { (end, isSealed) = try reader.frames(of: segment, from: offset, through: last) }
            let count = Int(min(end - min(offset, end), UInt64(limit - bytes.count)))
            bytes += try reader.bytes(of: segment, at: offset, count: count)
            offset += UInt64(count)
            guard isSealed, offset == end, let following = try reader.segments().first(where: { $0 > segment }),
                following <= last.next
            else {
                break
            }
            self.segment = following
            offset = 0
            end = 0
            isSealed = false
        }
        return bytes
    }

    private mutating func findSegment(_ reader: LogReader) throws -> Bool {
        if segment != nil { return true }
        guard let found = try reader.segments().last(where: { $0 <= from }) else { return false }
        offset = try reader.offset(of: from, in: found)
        end = 0
        segment = found
        return true
    }
}
