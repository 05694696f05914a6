/// The place of an event in a stream: 1 for the first, gapless, the order of history.
///
/// 0 means "before the first event": an empty log, a view that has applied nothing.
public struct SequenceNumber: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Before the first event.
    public static let none = SequenceNumber(0)

    /// The one that follows.
    public var next: SequenceNumber {
        SequenceNumber(rawValue &+ 1)
    }

    public func advanced(by count: Int) -> SequenceNumber {
        SequenceNumber(rawValue &+ UInt64(bitPattern: Int64(count)))
    }

    public var description: String {
        String(rawValue)
    }

    public static func < (lhs: SequenceNumber, rhs: SequenceNumber) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// One incarnation of an instance: the sequence of the event that registered it.
///
/// It changes when address, port, key lineage or start id change, and fences late messages of the one before.
public typealias InstanceHandle = SequenceNumber
