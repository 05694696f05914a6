public import OpenSSLCrypto

/// The Merkle tree over a log's events (RFC 6962 §2.1), kept as its frontier: the roots of the full subtrees that its
/// leaves make up, the largest first. Appending a leaf hashes twice on average, whatever the tree's size.
///
/// Not thread safe: one owner.
public struct MerkleTree {
    public private(set) var size: UInt64
    public private(set) var frontier: [SHA256Digest]
    private let hasher: MerkleHasher

    public init() throws(EventLogError) {
        hasher = try MerkleHasher()
        size = 0
        frontier = []
    }

    /// A tree that goes on from what a segment's header holds.
    ///
    /// - Throws: `damaged` where there are not as many subtrees as that size has.
    public init(size: UInt64, frontier: [SHA256Digest]) throws(EventLogError) {
        guard frontier.count == size.nonzeroBitCount else {
            throw EventLogError(.damaged, "a tree of \(size) leaves has \(size.nonzeroBitCount) subtrees")
        }
        hasher = try MerkleHasher()
        self.size = size
        self.frontier = frontier
    }

    /// Appends an event's own bytes as a leaf.
    public mutating func append(_ leaf: UnsafeRawBufferPointer) {
        append(hash: hasher.leaf(leaf))
    }

    /// Appends a leaf whose hash is known.
    public mutating func append(hash: SHA256Digest) {
        var node = hash
        // Each trailing one of the size is a full subtree that the new leaf completes to the next larger.
        var subtrees = size
        while subtrees & 1 == 1, let left = frontier.popLast() {
            node = hasher.join(left, node)
            subtrees >>= 1
        }
        frontier.append(node)
        size += 1
    }

    /// The root over all leaves; of an empty tree the hash of nothing.
    public var root: SHA256Digest {
        guard var node = frontier.last else { return hasher.empty() }
        for left in frontier.dropLast().reversed() { node = hasher.join(left, node) }
        return node
    }
}
