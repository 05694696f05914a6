import OpenSSLCrypto
import TestSupport
import Testing

@testable import EventLog

/// The proofs are made by ranges and checked by two verifiers: ours (RFC 9162's loops), and RFC 6962's recursive
/// definitions, written out here.
@Suite("Merkle proofs")
struct MerkleProofTests {
    private let leaves = (0..<35).map { [UInt8($0), 0xAB] }

    private func hashes(_ ranges: [Range<UInt64>], of size: Int) throws -> [SHA256Digest] {
        var builder = try MerkleProofBuilder(ranges)
        for leaf in leaves[..<size] { leaf.withUnsafeBytes { builder.append($0) } }
        return try #require(builder.hashes)
    }

    @Test("every leaf of every tree is proved as RFC 6962 defines, and accepted in its place alone")
    func inclusion() throws {
        for size in 1...leaves.count {
            let root = try naiveRoot(Array(leaves[..<size]))
            for index in 0..<size {
                let ranges = MerkleProof.inclusionRanges(index: UInt64(index), size: UInt64(size))
                let proof = try hashes(ranges, of: size)
                #expect(proof == (try naivePath(index, leaves[..<size])), "\(index) of \(size)")
                let leaf = try leaves[index].withUnsafeBytes { try MerkleHasher().leaf($0) }
                func isIncluded(_ leaf: SHA256Digest, _ index: Int, _ proof: [SHA256Digest]) throws -> Bool {
                    try MerkleProof.isIncluded(
                        leaf: leaf,
                        index: UInt64(index),
                        size: UInt64(size),
                        proof: proof,
                        root: root
                    )
                }
                #expect(try isIncluded(leaf, index, proof))
                #expect(try !isIncluded(root, index, proof + [root]))
                if size > 1 {
                    #expect(try !isIncluded(leaf, (index + 1) % size, proof))
                    #expect(try !isIncluded(leaf, index, Array(proof.dropLast())))
                }
            }
        }
    }

    @Test("every tree is proved a prefix of every larger one, and no other root is accepted")
    func consistency() throws {
        for size in 1...leaves.count {
            let root = try naiveRoot(Array(leaves[..<size]))
            for old in 1...size {
                let oldRoot = try naiveRoot(Array(leaves[..<old]))
                let proof = try hashes(MerkleProof.consistencyRanges(old: UInt64(old), size: UInt64(size)), of: size)
                #expect(proof == (try naiveConsistency(old, leaves[..<size], true)), "\(old) of \(size)")
                func isConsistent(_ oldRoot: SHA256Digest, _ root: SHA256Digest, _ proof: [SHA256Digest]) throws -> Bool
                {
                    try MerkleProof.isConsistent(
                        old: UInt64(old),
                        oldRoot: oldRoot,
                        size: UInt64(size),
                        root: root,
                        proof: proof
                    )
                }
                #expect(try isConsistent(oldRoot, root, proof), "\(old) of \(size)")
                #expect(try !isConsistent(oldRoot, root, proof + [root]))
                guard old < size else { continue }
                #expect(try !isConsistent(root, root, proof))
                #expect(try !isConsistent(oldRoot, oldRoot, proof))
                #expect(try !isConsistent(oldRoot, root, Array(proof.dropLast())))
            }
        }
    }

    @Test("a builder that saw too little proves nothing")
    func missingLeaves() throws {
        var builder = try MerkleProofBuilder(MerkleProof.inclusionRanges(index: 0, size: 4))
        for leaf in leaves[..<3] { leaf.withUnsafeBytes { builder.append($0) } }
        #expect(builder.hashes == nil)
    }

    // RFC 6962 §2.1.1 and §2.1.2, as they are written there.

    private func naivePath(_ index: Int, _ leaves: ArraySlice<[UInt8]>) throws -> [SHA256Digest] {
        guard leaves.count > 1 else { return [] }
        let middle = leaves.startIndex + split(leaves.count)
        if index < split(leaves.count) {
            return try naivePath(index, leaves[..<middle]) + [naiveRoot(Array(leaves[middle...]))]
        }
        return try naivePath(index - split(leaves.count), leaves[middle...]) + [naiveRoot(Array(leaves[..<middle]))]
    }

    private func naiveConsistency(
        _ old: Int,
        _ leaves: ArraySlice<[UInt8]>,
        _ isWhole: Bool
    ) throws -> [SHA256Digest] {
        if old == leaves.count { return isWhole ? [] : [try naiveRoot(Array(leaves))] }
        let part = split(leaves.count)
        let middle = leaves.startIndex + part
        if old <= part {
            return try naiveConsistency(old, leaves[..<middle], isWhole) + [naiveRoot(Array(leaves[middle...]))]
        }
        return try naiveConsistency(old - part, leaves[middle...], false) + [naiveRoot(Array(leaves[..<middle]))]
    }

    private func split(_ count: Int) -> Int {
        var split = 1
        while split * 2 < count { split *= 2 }
        return split
    }
}
