/// One of 1,024 parts into which services fall by their names: what a state digest, and a shard, is made of.
public struct HashSlot: Hashable, Comparable, Sendable, CustomStringConvertible {
    public static let count = 1_024

    /// 0 to 1,023.
    public let index: Int

    /// Where the registry's own records are: certificates, revocations, the guard.
    public static let registry = HashSlot(index: 0)

    /// All of them, in order.
    public static let all = (0..<count).map { HashSlot(index: $0) }

    private init(index: Int) {
        self.index = index
    }

    /// FNV-1a (64 bits) of the name, folded: the lower ten bits of `hash ^ hash >> 32`.
    public init(_ service: ServiceName) {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in service.description.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        index = Int((hash ^ hash >> 32) & 1_023)
    }

    public var description: String {
        String(index)
    }

    public static func < (lhs: HashSlot, rhs: HashSlot) -> Bool {
        lhs.index < rhs.index
    }
}
