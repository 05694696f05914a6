import OpenSSLCrypto
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

@Suite("The Merkle tree")
struct MerkleTreeTests {
    private let leaves = (0..<70).map { number in
        var random = SeededGenerator(seed: UInt64(number))
        return random.bytes(number % 9)
    }

    @Test("has RFC 6962's root at every size, also when it goes on from its frontier")
    func roots() throws {
        var tree = try MerkleTree()
        for size in 0...leaves.count {
            #expect(tree.root == (try naiveRoot(Array(leaves[..<size]))), "\(size)")
            #expect(tree.size == UInt64(size))
            #expect(tree.frontier.count == size.nonzeroBitCount)
            var resumed = try MerkleTree(size: tree.size, frontier: tree.frontier)
            for leaf in leaves[size...] { leaf.withUnsafeBytes { resumed.append($0) } }
            #expect(resumed.root == (try naiveRoot(leaves)), "from \(size)")
            if size < leaves.count { leaves[size].withUnsafeBytes { tree.append($0) } }
        }
    }

    @Test("has the known roots of the empty tree and of one empty leaf")
    func knownRoots() throws {
        var tree = try MerkleTree()
        #expect(tree.root.description == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        [UInt8]().withUnsafeBytes { tree.append($0) }
        #expect(tree.root.description == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    }

    @Test("takes no frontier of another size")
    func wrongFrontier() throws {
        let digest = try MerkleTree().root
        #expect(throws: EventLogError(.damaged, "")) { _ = try MerkleTree(size: 3, frontier: [digest]) }
        #expect(throws: EventLogError(.damaged, "")) { _ = try MerkleTree(size: 0, frontier: [digest]) }
    }
}

@Suite("Headers")
struct HeaderTests {
    private func expectSoundOnly<Header: Equatable>(
        _ frame: [UInt8],
        _ expected: Header,
        parse: (UnsafeRawBufferPointer) -> Header?
    ) {
        var random = SeededGenerator(usual: 6)
        #expect(frame.withUnsafeBytes { parse($0) } == expected)
        #expect((frame + [1, 2, 3]).withUnsafeBytes { parse($0) } == expected)
        for count in 0..<frame.count { #expect(frame[..<count].withUnsafeBytes { parse($0) } == nil, "\(count)") }
        // Every single bit is covered by the checksum, or by the frame's own head.
        for bit in 0..<frame.count * 8 {
            var flipped = frame
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(flipped.withUnsafeBytes { parse($0) } == nil, "bit \(bit)")
        }
        for _ in 0..<500 { #expect(random.bytes(random.below(200)).withUnsafeBytes { parse($0) } == nil) }
    }

    @Test("a segment header is read whole or not at all", arguments: [0, 1, 64])
    func segmentHeader(hashes: Int) throws {
        let header = SegmentHeader(
            stream: .beats,
            identity: testIdentity,
            firstSequence: SequenceNumber(99),
            frontier: [SHA256Digest](repeating: try naiveRoot([]), count: hashes)
        )
        #expect(header.frame.count <= SegmentHeader.maximumBytes)
        expectSoundOnly(header.frame, header) { SegmentHeader($0) }
    }

    @Test("a batch header is read whole or not at all")
    func batchHeader() {
        let header = BatchHeader(
            firstSequence: SequenceNumber(7),
            eventCount: 3,
            firstTime: Timestamp(rawValue: -1),
            lastTime: Timestamp(rawValue: .max),
            compressedBytes: 100,
            rawBytes: 300,
            durableThrough: SequenceNumber(6)
        )
        var frame: [UInt8] = []
        header.append(to: &frame)
        #expect(frame.count == BatchHeader.frameBytes)
        #expect(header.lastSequence.rawValue == 9)
        expectSoundOnly(frame, header) { BatchHeader($0) }
    }

    @Test("a footer is read whole or not at all", arguments: [0, 1, 5])
    func footer(entries: Int) throws {
        let entry = SegmentFooter.Entry(firstSequence: SequenceNumber(1), firstTime: Sample.time, offset: 44)
        let footer = SegmentFooter(
            lastSequence: SequenceNumber(9),
            lastTime: Sample.time,
            root: try naiveRoot([[1]]),
            entries: [SegmentFooter.Entry](repeating: entry, count: entries)
        )
        expectSoundOnly(footer.frame, footer) { SegmentFooter($0) }
    }

    @Test("a batch header that can't be true is none, whatever its checksum says")
    func impossibleHeaders() {
        let sound = BatchHeader(
            firstSequence: SequenceNumber(7),
            eventCount: 3,
            firstTime: Sample.time,
            lastTime: Sample.time,
            compressedBytes: 100,
            rawBytes: 300,
            durableThrough: SequenceNumber(6)
        )
        var lies = [BatchHeader](repeating: sound, count: 5)
        lies[0].eventCount = 0
        lies[1].compressedBytes = 0
        lies[2].compressedBytes = .max
        lies[3].rawBytes = .max
        lies[4].firstSequence = SequenceNumber(.max)
        for lie in lies {
            var frame: [UInt8] = []
            lie.append(to: &frame)
            #expect(frame.withUnsafeBytes { BatchHeader($0) } == nil, "\(lie)")
        }
    }

    @Test("CRC-32C has the published check value")
    func checksum() {
        #expect(Array("123456789".utf8).withUnsafeBytes { CRC32C.checksum($0) } == 0xE306_9283)
        #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { CRC32C.checksum($0) } == 0x8A91_36AA)
    }
}
