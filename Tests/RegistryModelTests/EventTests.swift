import TestSupport
import Testing

@testable import RegistryModel

@Suite("Events on the wire")
struct EventTests {
    private func decode(_ bytes: [UInt8]) throws(RegistryModelError) -> Event {
        let result = bytes.withUnsafeBytes { raw -> Result<Event, RegistryModelError> in
            do throws(RegistryModelError) {
                return .success(try Event(serialized: raw))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    @Test("every kind comes back as it was", arguments: 0..<SeededGenerator.eventKinds)
    func roundTrip(kind: Int) throws {
        var random = SeededGenerator(usual: UInt64(kind))
        for _ in 0..<40 {
            let event = random.event(random.magnitude(), time: random.timestamp(), kind: kind)
            let bytes = event.serialized()
            #expect(try decode(bytes) == event, "seed \(random.seed)")
            #expect(event.serialized() == bytes)
            // What is written by hand is what the protobuf library writes.
            #expect(event.serializedByLibrary() == bytes)
        }
    }

    @Test(
        "truncations and flipped bits are an event or malformed, never a crash",
        arguments: 0..<SeededGenerator.eventKinds
    )
    func hostileBytes(kind: Int) throws {
        var random = SeededGenerator(usual: UInt64(100 + kind))
        for _ in 0..<5 {
            let bytes = random.event(7, kind: kind).serialized()
            var candidates = (0..<bytes.count).map { Array(bytes[..<$0]) }
            for _ in 0..<200 { candidates.append(random.flippingOneBit(of: bytes)) }
            for candidate in candidates {
                do throws(RegistryModelError) {
                    _ = try decode(candidate)
                } catch {
                    #expect(error.code == .malformedEvent, "seed \(random.seed): \(error)")
                }
            }
        }
    }

    @Test("who looked on comes back as it was, and changes no state")
    func tailed() throws {
        let record = TailRecord(
            key: Sample.key("billing", "1"),
            spiffeID: "spiffe://gov.local/user/ada",
            serial: "1f",
            target: "/tail?service=billing"
        )
        let event = Event(sequence: SequenceNumber(7), time: Sample.time, actor: nil, kind: .sidecarTailed(record))
        #expect(try decode(event.serialized()) == event)
        #expect(event.serialized() == event.serializedByLibrary())
        var store = MemoryRecordStore()
        var changes: [ViewChange] = []
        Projection.apply(event, to: &store, changes: &changes)
        #expect(changes.isEmpty)
    }

    @Test(
        "a change of the authority comes back as it was, and changes no state",
        arguments: AuthorityChange.Kind.allCases
    )
    func authorityChanged(kind: AuthorityChange.Kind) throws {
        let change = AuthorityChange(
            kind,
            rootKeyHash: Array(repeating: 1, count: 32),
            issuerKeyHash: Array(repeating: 2, count: 32),
            otherRootKeyHash: kind == .issuerReplaced ? [] : Array(repeating: 3, count: 32),
            at: Sample.time
        )
        let event = Event(sequence: SequenceNumber(7), time: Sample.time, actor: nil, kind: .authorityChanged(change))
        #expect(try decode(event.serialized()) == event)
        #expect(event.serialized() == event.serializedByLibrary())
        var store = MemoryRecordStore()
        var changes: [ViewChange] = []
        Projection.apply(event, to: &store, changes: &changes)
        #expect(changes.isEmpty)
        var short = change
        short.issuerKeyHash.removeLast()
        let malformed = Event(
            sequence: SequenceNumber(7),
            time: Sample.time,
            actor: nil,
            kind: .authorityChanged(short)
        )
        #expect(throws: RegistryModelError(.malformedEvent, "")) { try decode(malformed.serialized()) }
    }

    @Test("a kind of a later release is unknown, and not an error")
    func laterKind() throws {
        var bytes = Sample.event(7).serialized()
        // Field 100, length-delimited, with two bytes, in place of the kind.
        let event = Event(sequence: SequenceNumber(7), time: Sample.time, actor: nil, kind: .unknown)
        bytes = event.serialized() + [0xA2, 0x06, 0x02, 0x01, 0x02]
        #expect(try decode(bytes) == event)
    }

    @Test("no bytes are an event of nothing")
    func empty() throws {
        let event = try decode([])
        #expect(event.sequence == .none)
        #expect(event.kind == .unknown)
    }
}

@Suite("Packed heartbeats")
struct HeartbeatPackingTests {
    private struct Beat: Hashable, Comparable {
        var time: Int64
        var handle: UInt64

        static func < (lhs: Beat, rhs: Beat) -> Bool {
            (lhs.time, lhs.handle) < (rhs.time, rhs.handle)
        }
    }

    private func unpack(_ beats: PackedHeartbeats) throws(RegistryModelError) -> [Beat] {
        var found: [Beat] = []
        func take(_ handle: InstanceHandle, _ time: Timestamp) {
            found.append(Beat(time: time.rawValue, handle: handle.rawValue))
        }
        try beats.forEach(take)
        return found
    }

    @Test("every beat comes back, its time rounded down to 100 ms, in order")
    func roundTrip() throws {
        var random = SeededGenerator(usual: 3)
        var packer = HeartbeatPacker()
        for _ in 0..<60 {
            var expected: [Beat] = []
            for index in 0..<random.below(200) {
                // The first is the earliest: those before it count as in its step.
                let later = index == 0 ? 0 : Int64(random.below(5_000)) * 1_000_000 + Int64(random.below(1_000_000))
                let time = Sample.time.advanced(by: .nanoseconds(later))
                let handle = random.oneIn(20) ? UInt64.max - UInt64(random.below(3)) : random.magnitude()
                packer.append(InstanceHandle(handle), at: time)
                expected.append(Beat(time: time.rawValue / 100_000_000 * 100_000_000, handle: handle))
            }
            #expect(packer.count == expected.count)
            let packed = packer.pack(following: SequenceNumber(9), now: Sample.time)
            #expect(packed.count == UInt32(expected.count))
            #expect(packed.baseUnixMilliseconds % 100 == 0)
            #expect(packed.follows == SequenceNumber(9))
            #expect(try unpack(packed) == expected.sorted(), "seed \(random.seed)")
        }
    }

    @Test("beats before the first one's step count as in that step")
    func early() throws {
        var packer = HeartbeatPacker()
        packer.append(InstanceHandle(2), at: Timestamp(rawValue: 1_000_000_000))
        packer.append(InstanceHandle(1), at: Timestamp(rawValue: 500_000_000))
        let beats = try unpack(packer.pack(following: .none, now: Timestamp(rawValue: 0)))
        #expect(beats == [Beat(time: 1_000_000_000, handle: 1), Beat(time: 1_000_000_000, handle: 2)])
    }

    @Test("none at all is a mark of the time")
    func mark() throws {
        var packer = HeartbeatPacker()
        let mark = packer.pack(following: .none, now: Timestamp(rawValue: 1_234_567_890))
        #expect(mark == PackedHeartbeats(follows: .none, baseUnixMilliseconds: 1_200, count: 0, packed: []))
        #expect(try unpack(mark) == [])
    }

    @Test("hostile bytes are malformed or beats, never a crash")
    func hostileBytes() throws {
        var random = SeededGenerator(usual: 4)
        var packer = HeartbeatPacker()
        for _ in 0..<50 { packer.append(InstanceHandle(random.magnitude()), at: Sample.time) }
        let sound = packer.pack(following: .none, now: Sample.time)
        func expectHarmless(_ bytes: [UInt8]) {
            var beats = sound
            beats.packed = bytes
            var isSound = true
            do throws(RegistryModelError) {
                _ = try unpack(beats)
            } catch {
                #expect(error.code == .malformedHeartbeats)
                isSound = false
            }
            // Looking them through without making them comes to the same.
            let isChecked = (try? beats.check()) != nil
            #expect(isChecked == isSound, "\(bytes)")
        }
        for count in 0..<sound.packed.count {
            var cut = sound
            cut.packed = Array(sound.packed[..<count])
            #expect(throws: RegistryModelError(.malformedHeartbeats, "")) { _ = try unpack(cut) }
        }
        for _ in 0..<2_000 { expectHarmless(random.flippingOneBit(of: sound.packed)) }
        for _ in 0..<2_000 { expectHarmless(random.bytes(random.below(30))) }
        expectHarmless([UInt8](repeating: 0xFF, count: 40))
        // Steps that add up to more than there is of time; more beats than bytes.
        expectHarmless([0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0])
        expectHarmless([0] + [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01])
        for base in [Int64.min, .max] {
            let beats = PackedHeartbeats(follows: .none, baseUnixMilliseconds: base, count: 1, packed: [1, 1, 1])
            #expect(throws: RegistryModelError(.malformedHeartbeats, "")) { _ = try unpack(beats) }
        }
    }

    @Test("many varints are passed over as they are read one by one")
    func skippedVarints() {
        var random = SeededGenerator(usual: 5)
        for _ in 0..<4_000 {
            var bytes: [UInt8] = []
            let count = random.below(24)
            let shift = UInt64(random.below(64))
            for _ in 0..<count {
                Varint.append(random.oneIn(6) ? random.magnitude() : random.next() >> shift, to: &bytes)
                // Too long, or as long as can be.
                if random.oneIn(60) { bytes += [UInt8](repeating: 0x80, count: random.below(12)) + [1] }
            }
            if random.oneIn(4) { bytes.removeLast(min(bytes.count, random.below(3))) }
            bytes.withUnsafeBytes { raw in
                var read = 0
                let isRead = (0..<count).allSatisfy { _ in Varint.read(raw, at: &read) != nil }
                var skipped = 0
                #expect(Varint.skip(UInt64(count), in: raw, at: &skipped) == isRead, "seed \(random.seed): \(bytes)")
                #expect(!isRead || skipped == read, "seed \(random.seed): \(bytes)")
            }
        }
    }

    @Test("varints of every length, and none of more than 64 bits")
    func varints() {
        for shift in 0..<64 {
            for value in [UInt64(1) << UInt64(shift), (UInt64(1) << UInt64(shift)) - 1, .max] {
                var bytes: [UInt8] = []
                Varint.append(value, to: &bytes)
                var offset = 0
                #expect(bytes.withUnsafeBytes { Varint.read($0, at: &offset) } == value)
                #expect(offset == bytes.count)
                offset = 0
                #expect(bytes.dropLast().withUnsafeBytes { Varint.read($0, at: &offset) } == nil)
            }
        }
        let tooLong = [UInt8](repeating: 0xFF, count: 9) + [0x02]
        var offset = 0
        #expect(tooLong.withUnsafeBytes { Varint.read($0, at: &offset) } == nil)
    }
}
