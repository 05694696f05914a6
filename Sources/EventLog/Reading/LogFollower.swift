public import RegistryModel

/// Follows a live log: shows what has been appended since it last looked, across segments, for as long as it is asked.
public struct LogFollower {
    private let reader: LogReader
    /// What it shows next.
    public private(set) var next: SequenceNumber

    public init(directory: String, stream: LogStream = .log, from next: SequenceNumber) throws(EventLogError) {
        reader = try LogReader(directory: directory, stream: stream)
        self.next = next
    }

    /// Shows what is there and was not shown yet; never waits.
    ///
    /// - Returns: how many events that was.
    public mutating func poll(_ body: (Event, UnsafeRawBufferPointer) throws -> Void) throws -> Int {
        var next = next
        var count = 0
        defer { self.next = next }
        try reader.forEach(from: next) { event, bytes in
            try body(event, bytes)
            next = event.sequence.next
            count += 1
            return true
        }
        return count
    }
}
