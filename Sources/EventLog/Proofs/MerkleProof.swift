public import OpenSSLCrypto

/// Which subtrees prove what (RFC 6962 §2.1.1, §2.1.2), and whether they do (RFC 9162 §2.1.3.2, §2.1.4.2).
public enum MerkleProof {
    /// The subtrees beside the way from a leaf to the root, the lowest first.
    public static func inclusionRanges(index: UInt64, size: UInt64) -> [Range<UInt64>] {
        precondition(index < size, "a leaf is part of its tree")
        var ranges: [Range<UInt64>] = []
        var part = 0..<size
        while part.upperBound - part.lowerBound > 1 {
            let middle = part.lowerBound + split(part.upperBound - part.lowerBound)
            if index < middle {
                ranges.append(middle..<part.upperBound)
                part = part.lowerBound..<middle
            } else {
                ranges.append(part.lowerBound..<middle)
                part = middle..<part.upperBound
            }
        }
        return ranges.reversed()
    }

    /// The subtrees that show the first `old` leaves to be a prefix of `size` leaves.
    public static func consistencyRanges(old: UInt64, size: UInt64) -> [Range<UInt64>] {
        precondition(old > 0 && old <= size, "a prefix is part of its tree")
        var ranges: [Range<UInt64>] = []
        var part = 0..<size
        var isWhole = true
        while part.upperBound != old {
            let middle = part.lowerBound + split(part.upperBound - part.lowerBound)
            if old <= middle {
                ranges.append(middle..<part.upperBound)
                part = part.lowerBound..<middle
            } else {
                ranges.append(part.lowerBound..<middle)
                part = middle..<part.upperBound
                isWhole = false
            }
        }
        if !isWhole { ranges.append(part) }
        return ranges.reversed()
    }

    /// Whether the leaf with this hash is the `index`-th of the tree with this root.
    public static func isIncluded(
        leaf: SHA256Digest,
        index: UInt64,
        size: UInt64,
        proof: [SHA256Digest],
        root: SHA256Digest
    ) throws(EventLogError) -> Bool {
        guard index < size else { return false }
        let hasher = try MerkleHasher()
        var position = index
        var last = size - 1
        var node = leaf
        for sibling in proof {
            guard last > 0 else { return false }
            if position & 1 == 1 || position == last {
                node = hasher.join(sibling, node)
                if position & 1 == 0 {
                    while position & 1 == 0, position > 0 {
                        position >>= 1
                        last >>= 1
                    }
                }
            } else {
                node = hasher.join(node, sibling)
            }
            position >>= 1
            last >>= 1
        }
        return last == 0 && node == root
    }

    /// Whether the tree of `old` leaves is a prefix of that of `size`.
    public static func isConsistent(
        old: UInt64,
        oldRoot: SHA256Digest,
        size: UInt64,
        root: SHA256Digest,
        proof: [SHA256Digest]
    ) throws(EventLogError) -> Bool {
        guard old > 0, old <= size else { return false }
        if old == size { return proof.isEmpty && oldRoot == root }
        var path = proof[...]
        if old & (old - 1) == 0 { path = [oldRoot] + path }
        guard let first = path.popFirst() else { return false }
        let hasher = try MerkleHasher()
        var position = old - 1
        var last = size - 1
        while position & 1 == 1 {
            position >>= 1
            last >>= 1
        }
        var (oldNode, node) = (first, first)
        for sibling in path {
            guard last > 0 else { return false }
            if position & 1 == 1 || position == last {
                oldNode = hasher.join(sibling, oldNode)
                node = hasher.join(sibling, node)
                while position & 1 == 0, position > 0 {
                    position >>= 1
                    last >>= 1
                }
            } else {
                node = hasher.join(node, sibling)
            }
            position >>= 1
            last >>= 1
        }
        return last == 0 && oldNode == oldRoot && node == root
    }

    /// The largest power of two below `count`.
    private static func split(_ count: UInt64) -> UInt64 {
        1 << UInt64(63 - (count - 1).leadingZeroBitCount)
    }
}

/// Hashes subtrees of a log that is read from one end to the other, in memory for their roots alone.
public struct MerkleProofBuilder {
    private let ranges: [Range<UInt64>]
    private var trees: [MerkleTree]
    private var index: UInt64

    /// - Parameters:
    ///   - ranges: disjoint, in any order: what ``MerkleProof`` names.
    ///   - first: index of the first leaf that will be shown.
    public init(_ ranges: [Range<UInt64>], first: UInt64 = 0) throws(EventLogError) {
        self.ranges = ranges
        trees = try ranges.map { (_) throws(EventLogError) in try MerkleTree() }
        index = first
    }

    /// The next leaf of the log.
    public mutating func append(_ leaf: UnsafeRawBufferPointer) {
        if let place = ranges.firstIndex(where: { $0.contains(index) }) { trees[place].append(leaf) }
        index += 1
    }

    /// The roots, in the order of the ranges; nil while leaves are missing.
    public var hashes: [SHA256Digest]? {
        for (range, tree) in zip(ranges, trees) where tree.size != range.upperBound - range.lowerBound { return nil }
        return trees.map(\.root)
    }
}

/// The two ways in which RFC 6962 hashes, with one context.
public final class MerkleHasher {
    /// Leaves of less are hashed in one piece with the byte before them: calls of OpenSSL cost more than copies.
    private static let copiedBytes = 1_024

    private let hasher: SHA256Hasher

    public init() throws(EventLogError) {
        hasher = try crypto { () throws(OpenSSLError) in try SHA256Hasher() }
    }

    public func leaf(_ bytes: UnsafeRawBufferPointer) -> SHA256Digest {
        guard bytes.count < Self.copiedBytes else {
            hasher.update(0)
            hasher.update(bytes)
            return hasher.finalize()
        }
        return withUnsafeTemporaryAllocation(byteCount: bytes.count + 1, alignment: 8) { input in
            input[0] = 0
            UnsafeMutableRawBufferPointer(rebasing: input[1...]).copyMemory(from: bytes)
            hasher.update(UnsafeRawBufferPointer(input))
            return hasher.finalize()
        }
    }

    public func join(_ left: SHA256Digest, _ right: SHA256Digest) -> SHA256Digest {
        let half = SHA256Digest.byteCount
        return withUnsafeTemporaryAllocation(byteCount: 1 + 2 * half, alignment: 8) { input in
            input[0] = 1
            left.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: input[1...half]).copyMemory(from: $0) }
            right.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: input[(1 + half)...]).copyMemory(from: $0) }
            hasher.update(UnsafeRawBufferPointer(input))
            return hasher.finalize()
        }
    }

    func empty() -> SHA256Digest {
        hasher.finalize()
    }
}
