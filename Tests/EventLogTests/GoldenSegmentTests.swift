import Glibc
import RegistryModel
import TestSupport
import Testing

@testable import EventLog

/// A segment of the first release, with an event of every kind. Whatever comes, it must be readable.
///
/// `HMS_WRITE_FIXTURES=1` makes it anew: only ever before a format's first release.
@Suite("The golden segment")
struct GoldenSegmentTests {
    private let directory = packageDirectory + "/fixtures/log"

    private var golden: [Event] {
        let instance = goldenInstance
        let key = instance.key
        let handle = SequenceNumber(2)
        let change = HealthChange(
            key: key,
            handle: handle,
            from: .starting,
            to: .degraded,
            cause: .reported,
            detail: "slow \"db\""
        )
        var external = Sample.instance("partner", "external", host: "api.example.org", port: 443)
        external.externalURL = "https://api.example.org/health"
        external.lease = .permanent
        let beats = PackedHeartbeats(
            follows: handle,
            baseUnixMilliseconds: 1_795_529_112_400,
            count: 2,
            packed: [0, 2, 2, 5]
        )
        let seal = BeatsSeal(first: handle, last: handle.next, count: 12, sha256: (0..<32).map { UInt8($0) })
        let report = ProtectionReport(expected: 30, seen: 4, why: "26 of 30 would expire within one ttl")
        let kinds: [EventKind] = [
            .registryStarted(version: "0.1.0", clean: false), .instanceRegistered(instance, health: .starting),
            .healthChanged(change), .servicePolicySet(key.service, MeshPolicy(retries: 0, timeoutMilliseconds: 800)),
            .servicePolicyRemoved(key.service), .externalServiceAdded(external),
            .externalServiceRemoved(external.key.service), .heartbeats(beats), .beatsSealed(seal),
            .clockStepped(from: Sample.time, to: Sample.time.advanced(by: .seconds(-3_600))),
            .protectionStarted(report),
            .guardOverridden(.hold), .guardOverridden(.release), .protectionEnded(report),
            .instanceDraining(key, handle: handle), .instanceDeregistered(key, handle: handle, cause: .requested),
            .unknown,
            .registryStopped(reason: "SIGTERM"),
        ]
        let actors: [Actor?] = [
            nil, Actor(.uid(1_000)), Actor(.token("t-1"), peer: "10.0.0.9:4711"),
            Actor(.spiffeID("spiffe://example.org/a")),
        ]
        return kinds.enumerated().map { index, kind in
            Event(
                sequence: SequenceNumber(UInt64(index) + 1),
                time: Sample.time.advanced(by: .milliseconds(index)),
                actor: actors[index % actors.count],
                requestID: index % 3 == 0 ? "" : "r-\(index)",
                kind: kind
            )
        }
    }

    private var goldenInstance: Instance {
        var instance = Sample.instance()
        instance.appPort = 8_080
        instance.version = "1.2.3"
        instance.zone = "eu-1"
        instance.tags = ["blue", "grün"]
        instance.metadata = [MetadataEntry(key: "team", value: "payments")]
        instance.weight = 50
        instance.applicationProtocol = "h2c"
        instance.lease = .ttl(milliseconds: 5_000)
        instance.repeatable = ["POST /validate"]
        instance.keyLineage = "k-1"
        instance.tlsCert = "sha256:00ff"
        instance.startID = "s-1"
        return instance
    }

    private func makeFixture() throws {
        let log = try openLog(directory).log
        let events = golden.map { EncodedEvent($0) }
        for batch in [events[..<1], events[1..<9], events[9...]] { _ = try log.append(Array(batch)) }
        try log.closeCleanly()
        try writeFile(directory + "/decoded.txt", Array(try decodedByTools(segmentPath(directory)).utf8))
    }

    @Test("is read, event by event")
    func read() throws {
        if getenv("HMS_WRITE_FIXTURES") != nil { try makeFixture() }
        var events: [Event] = []
        try LogReader(directory: directory, stream: .log).forEach(from: SequenceNumber(1)) { event, bytes in
            events.append(event)
            #expect(event.serialized() == [UInt8](bytes), "what this release writes has changed")
            return true
        }
        #expect(events == golden)
    }

    @Test("opens, and goes on")
    func open() throws {
        try withTemporaryDirectory(in: memoryDirectory) { copy in
            try copyTree(directory, to: copy)
            let (log, recovery) = try openLog(copy, knownDurable: 18)
            #expect(recovery.tornBytes == 0)
            #expect(log.identity == testIdentity)
            #expect(log.merkleRoot == (try naiveRoot(golden.map { $0.serialized() })))
            _ = try log.append([EncodedEvent(Sample.event(19))])
            #expect(try readBack(log).count == 19)
        }
    }

    @Test("is printed by zstd and protoc as it always was")
    func tools() throws {
        let expected = String(decoding: try readFile(directory + "/decoded.txt"), as: UTF8.self)
        #expect(try decodedByTools(segmentPath(directory)) == expected)
        try expectOrdinaryZstd(segmentPath(directory))
    }
}
