import EventLog
import OpenSSLCrypto
import RegistryModel

/// A fleet whose life a seed decides: what happens to it second by second, as events, and who beats when.
struct Fleet {
    struct Options {
        var instances: Int
        var services: Int
        /// How much more often than in a quiet day anything but a renewal happens.
        var churn: Double
    }

    private struct Member {
        var instance: Instance
        var handle = SequenceNumber.none
        var health = Health.starting
        var silentUntil: Int64 = 0
        var certificates: UInt64 = 0
    }

    /// Seconds between two heartbeats of an instance, and its ttl.
    private static let beat: Int64 = 10
    private static let ttl: Int64 = 30

    private let options: Options
    private var members: [Member]
    private var random = SplitMix64(state: 1)
    /// Who falls due, by the second: silence that is noticed, and silence that ends.
    private var overdue: [Int64: [Int]] = [:]
    private var returning: [Int64: [Int]] = [:]
    private var owed: [Double] = [0, 0, 0, 0]

    init(_ options: Options) throws {
        self.options = options
        members = try (0..<options.instances).map { index in
            let name = try ServiceName("service-\(index % options.services)")
            let key = InstanceKey(service: name, id: try InstanceID("host-\(index)-7000"))
            var instance = Instance(
                key: key,
                endpoint: try Endpoint(host: "10.\(index >> 16 & 255).\(index >> 8 & 255).\(index & 255)", port: 17_000)
            )
            instance.appPort = 7_000
            instance.version = "1.0.0"
            instance.zone = "a"
            return Member(instance: instance)
        }
    }

    /// Registers everybody who is not, some at a time.
    mutating func arrivals(_ range: Range<Int>, from sequence: SequenceNumber) -> [EventKind] {
        var kinds: [EventKind] = []
        for index in range { enter(index, sequence, .healthy, &kinds) }
        return kinds
    }

    /// What happens in a second of the day, numbered from the sequence.
    mutating func events(_ second: Int64, _ time: Timestamp, from sequence: SequenceNumber) -> [EventKind] {
        var kinds: [EventKind] = []
        for index in overdue.removeValue(forKey: second) ?? [] {
            change(index, to: .unhealthy, .heartbeatMissed, &kinds)
        }
        for index in returning.removeValue(forKey: second) ?? [] where members[index].health == .unhealthy {
            change(index, to: .healthy, .heartbeatResumed, &kinds)
        }
        // In a day each restarts twice, flaps once, has its certificate renewed thrice; one in fifty falls silent.
        for (what, often) in [2.0, 1.0, 3.0, 0.02].enumerated() {
            owed[what] += often * (what == 2 ? 1 : options.churn) * Double(options.instances) / 86_400
            while owed[what] >= 1 {
                owed[what] -= 1
                happen(what, to: Int(random.next() % UInt64(options.instances)), second, time, sequence, &kinds)
            }
        }
        return kinds
    }

    private mutating func happen(
        _ what: Int,
        to index: Int,
        _ second: Int64,
        _ time: Timestamp,
        _ sequence: SequenceNumber,
        _ kinds: inout [EventKind]
    ) {
        let member = members[index]
        guard member.silentUntil <= second else { return }
        switch what {
        case 0:
            kinds.append(.instanceDeregistered(member.instance.key, handle: member.handle, cause: .requested))
            enter(index, sequence, .starting, &kinds)
            change(index, to: .healthy, .reported, &kinds)
        case 1:
            change(index, to: .degraded, .reported, &kinds)
            change(index, to: .healthy, .reported, &kinds)
        case 2:
            members[index].certificates += 1
            let bytes = (0..<4).flatMap { _ in withUnsafeBytes(of: random.next()) { [UInt8]($0) } }
            let serial = String(UInt64(index) << 32 | members[index].certificates, radix: 16)
            kinds.append(
                .certificateIssued(
                    CertificateRecord(
                        serial: serial,
                        spiffeID: "spiffe://gov.local/svc/\(member.instance.key.service)",
                        keyHash: bytes,
                        lineage: bytes,
                        notAfter: time.advanced(by: .seconds(86_400))
                    )
                )
            )
        default:
            let silence = 20 + Int64(random.next() % 60)
            members[index].silentUntil = second + silence
            if silence > Self.ttl { overdue[second + Self.ttl, default: []].append(index) }
            returning[second + silence + Self.beat, default: []].append(index)
        }
    }

    private mutating func enter(
        _ index: Int,
        _ sequence: SequenceNumber,
        _ health: Health,
        _ kinds: inout [EventKind]
    ) {
        members[index].handle = sequence.advanced(by: kinds.count)
        members[index].health = health
        kinds.append(.instanceRegistered(members[index].instance, health: health))
    }

    private mutating func change(
        _ index: Int,
        to health: Health,
        _ cause: TransitionCause,
        _ kinds: inout [EventKind]
    ) {
        let member = members[index]
        kinds.append(
            .healthChanged(
                HealthChange(
                    key: member.instance.key,
                    handle: member.handle,
                    from: member.health,
                    to: health,
                    cause: cause
                )
            )
        )
        members[index].health = health
    }

    /// Who beats in this second: a tenth of the fleet, but for the silent.
    func beats(_ second: Int64, _ time: Timestamp, _ packer: inout HeartbeatPacker) {
        for index in stride(from: Int(second % Self.beat), to: members.count, by: Int(Self.beat)) {
            guard members[index].silentUntil <= second else { continue }
            let within = (UInt64(index) &* 0x9E37_79B9_7F4A_7C15) >> 54
            packer.append(members[index].handle, at: time.advanced(by: .milliseconds(Int64(within * 999 / 1_023))))
        }
    }
}

/// Random numbers that are the same each time (Steele et al. 2014).
struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
