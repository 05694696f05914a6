import MaterializedView
import RegistryModel
import TestSupport
import Testing

@testable import Registry

/// Decides over a store of its own, one command after the other.
private final class Desk {
    static let epoch = Epoch(rawValue: 0xE)
    private let view: RegistryView
    private let handler = CommandHandler(epoch: Desk.epoch)
    private(set) var sequence = SequenceNumber.none

    init(_ directory: String) throws {
        view = try RegistryView.open(directory: directory + "/view", access: .readWrite)
        try view.write { $0.bind(registryID: RegistryID(rawValue: 1), epoch: Self.epoch, applied: .none) }
    }

    @discardableResult
    func carryOut(_ command: Command) throws -> Decision {
        try view.write { store in
            let decision = try handler.decide(command, sequence: sequence.next, in: store)
            var changes: [ViewChange] = []
            for kind in decision.events {
                sequence = sequence.next
                let event = Event(sequence: sequence, time: .sample(Int64(sequence.rawValue)), actor: nil, kind: kind)
                try Projection.apply(event, to: &store, changes: &changes)
            }
            return decision
        }
    }

    func refuses(_ command: Command) -> RegistryError? {
        do {
            try carryOut(command)
            return nil
        } catch {
            return error as? RegistryError
        }
    }

    /// A row as if a service had that many.
    func pretend(_ service: String, instances: UInt32) throws {
        try view.write { store in
            var record = ServiceRecord(name: try ServiceName(service))
            record.counts[.healthy] = instances
            try store.put(record)
        }
    }
}

private func withDesk(_ body: (Desk) throws -> Void) throws {
    try withTemporaryDirectory { directory in try body(try Desk(directory)) }
}

private func register(_ instance: Instance, _ health: Health = .starting) -> Command {
    .register(Registration(instance: instance, health: health))
}

private func reply(_ decision: Decision) -> RegistrationReply? {
    if case .registered(let reply) = decision.reply { reply } else { nil }
}

private func tag(_ handle: UInt64, epoch: Epoch = Desk.epoch) -> IncarnationTag {
    IncarnationTag(epoch: epoch, handle: InstanceHandle(handle))
}

@Suite("Decisions: registering")
struct RegistrationDecisionTests {
    @Test("a new instance gets the sequence of its event as handle")
    func new() throws {
        try withDesk { desk in
            let instance = try sampleInstance("a", "b")
            let decision = try desk.carryOut(register(instance))
            #expect(decision.events == [.instanceRegistered(instance, health: .starting)])
            #expect(reply(decision)?.result == .registered)
            #expect(reply(decision)?.handle == SequenceNumber(1))
        }
    }

    @Test("the same once more changes nothing, and keeps a health that is better than starting")
    func unchanged() throws {
        try withDesk { desk in
            let instance = try sampleInstance("a", "b")
            try desk.carryOut(register(instance, .healthy))
            let decision = try desk.carryOut(register(instance))
            #expect(decision.events.isEmpty)
            #expect(
                reply(decision) == RegistrationReply(handle: SequenceNumber(1), result: .unchanged, health: .healthy)
            )
        }
    }

    @Test("other particulars update it and keep the handle")
    func updated() throws {
        try withDesk { desk in
            try desk.carryOut(register(try sampleInstance("a", "b"), .healthy))
            let changed = try sampleInstance("a", "b") { $0.version = "2" }
            let decision = try desk.carryOut(register(changed))
            #expect(decision.events == [.instanceRegistered(changed, health: .healthy)])
            #expect(reply(decision) == RegistrationReply(handle: SequenceNumber(1), result: .updated, health: .healthy))
        }
    }

    @Test("another port, start or key is another incarnation", arguments: ["port", "start", "key", "app"])
    func replaced(what: String) throws {
        try withDesk { desk in
            try desk.carryOut(register(try sampleInstance("a", "b"), .healthy))
            let next = try sampleInstance("a", "b", port: what == "port" ? 9 : 7_000) { instance in
                if what == "start" { instance.startID = "s2" }
                if what == "key" { instance.keyLineage = "k2" }
                if what == "app" { instance.appPort = 1 }
            }
            let decision = try desk.carryOut(register(next))
            #expect(
                reply(decision) == RegistrationReply(handle: SequenceNumber(2), result: .replaced, health: .starting)
            )
        }
    }

    @Test("an ill or draining one that registers again starts again", arguments: [Health.unhealthy, .draining])
    func revived(health: Health) throws {
        try withDesk { desk in
            let instance = try sampleInstance("a", "b")
            try desk.carryOut(register(instance, .healthy))
            let handle = SequenceNumber(1)
            try desk.carryOut(
                health == .draining ? .drain(instance.key, ifMatch: nil) : .markUnhealthy(instance.key, handle: handle)
            )
            let decision = try desk.carryOut(register(instance))
            let change = HealthChange(
                key: instance.key,
                handle: handle,
                from: health,
                to: .starting,
                cause: .reregistered
            )
            #expect(decision.events == [.healthChanged(change)])
            #expect(reply(decision)?.result == .revived)
        }
    }

    @Test("a service has 10,000 instances at most; those that are there may still register again")
    func limit() throws {
        try withDesk { desk in
            let instance = try sampleInstance("a", "b")
            try desk.carryOut(register(instance))
            try desk.pretend("a", instances: 10_000)
            #expect(desk.refuses(register(try sampleInstance("a", "c")))?.code == .tooManyInstances)
            #expect(reply(try desk.carryOut(register(instance)))?.result == .unchanged)
            try desk.pretend("a", instances: 9_999)
            #expect(reply(try desk.carryOut(register(try sampleInstance("a", "c"))))?.result == .registered)
        }
    }
}

@Suite("Decisions: leaving, health and policies")
struct OtherDecisionTests {
    @Test("what names another incarnation or epoch is superseded and changes nothing")
    func ifMatch() throws {
        try withDesk { desk in
            let key = try sampleKey("a", "b")
            try desk.carryOut(register(try sampleInstance("a", "b")))
            for wrong in [tag(2), tag(1, epoch: Epoch(rawValue: 0xF))] {
                #expect(desk.refuses(.deregister(key, ifMatch: wrong))?.code == .superseded)
                #expect(desk.refuses(.drain(key, ifMatch: wrong))?.code == .superseded)
            }
            let stale = Command.report(key, handle: SequenceNumber(9), reported: .healthy, detail: "", isProbe: false)
            #expect(desk.refuses(stale)?.code == .superseded)
            #expect(try desk.carryOut(.drain(key, ifMatch: tag(1))).reply == .health(.draining, changed: true))
            #expect(try desk.carryOut(.drain(key, ifMatch: nil)).events.isEmpty)
            #expect(try desk.carryOut(.deregister(key, ifMatch: tag(1))).reply == .deregistered(count: 1))
        }
    }

    @Test("the unknown is told apart: no such service, no such instance")
    func unknown() throws {
        try withDesk { desk in
            let key = try sampleKey("a", "b")
            #expect(desk.refuses(.deregister(key, ifMatch: nil))?.code == .unknownService)
            #expect(desk.refuses(.removeService(key.service))?.code == .unknownService)
            #expect(desk.refuses(.removePolicy(key.service))?.code == .unknownService)
            try desk.carryOut(register(try sampleInstance("a", "c")))
            #expect(desk.refuses(.deregister(key, ifMatch: nil))?.code == .unknownInstance)
        }
    }

    @Test("removing a service deregisters each of its instances")
    func removeService() throws {
        try withDesk { desk in
            for id in ["x", "y"] { try desk.carryOut(register(try sampleInstance("a", id))) }
            try desk.carryOut(register(try sampleInstance("a-b", "z")))
            let decision = try desk.carryOut(.removeService(try ServiceName("a")))
            #expect(
                decision.events == [
                    .instanceDeregistered(try sampleKey("a", "x"), handle: SequenceNumber(1), cause: .requested),
                    .instanceDeregistered(try sampleKey("a", "y"), handle: SequenceNumber(2), cause: .requested),
                ]
            )
            #expect(decision.reply == .deregistered(count: 2))
        }
    }

    @Test("an external service and one with instances of its own exclude each other")
    func externals() throws {
        try withDesk { desk in
            let external = try sampleExternal("ext")
            let added = try desk.carryOut(.addExternal(external))
            #expect(reply(added)?.handle == SequenceNumber(1))
            #expect(try desk.carryOut(.addExternal(external)).events.isEmpty)
            #expect(
                desk.refuses(.addExternal(try sampleExternal("ext", url: "https://example.net")))?.code == .badRequest
            )
            #expect(desk.refuses(register(try sampleInstance("ext", "i")))?.code == .badRequest)
            try desk.carryOut(register(try sampleInstance("own", "i")))
            #expect(desk.refuses(.addExternal(try sampleExternal("own")))?.code == .badRequest)
            let removed = try desk.carryOut(.deregister(external.key, ifMatch: nil))
            #expect(removed.events == [.externalServiceRemoved(external.key.service)])
            #expect(reply(try desk.carryOut(.addExternal(try sampleExternal("ext", url: "https://a.b")))) != nil)
        }
    }

    @Test("a policy that is there already is not set again, and one that is not there is not removed")
    func policies() throws {
        try withDesk { desk in
            let name = try ServiceName("a")
            let policy = MeshPolicy(retries: 1)
            #expect(try desk.carryOut(.setPolicy(name, policy)).events == [.servicePolicySet(name, policy)])
            #expect(try desk.carryOut(.setPolicy(name, policy)) == .nothing(.policy(policy)))
            #expect(try desk.carryOut(.removePolicy(name)).events == [.servicePolicyRemoved(name)])
            #expect(try desk.carryOut(.removePolicy(name)) == .nothing(.policy(nil)))
        }
    }

    @Test("verdicts on an incarnation that is gone, or is so already, change nothing")
    func verdicts() throws {
        try withDesk { desk in
            let key = try sampleKey("a", "b")
            let (old, new) = (SequenceNumber(1), SequenceNumber(2))
            try desk.carryOut(register(try sampleInstance("a", "b")))
            try desk.carryOut(register(try sampleInstance("a", "b", port: 1)))
            for command in [Command.markUnhealthy(key, handle: old), .markProtected(key, handle: old)] {
                #expect(try desk.carryOut(command).events.isEmpty)
            }
            #expect(try desk.carryOut(.expire(key, handle: old)).events.isEmpty)
            #expect(try desk.carryOut(.markUnhealthy(key, handle: new)).reply == .health(.unhealthy, changed: true))
            #expect(try desk.carryOut(.markUnhealthy(key, handle: new)).events.isEmpty)
            #expect(try desk.carryOut(.expire(key, handle: new)).reply == .deregistered(count: 1))
        }
    }

    @Test("a report is on record with its words where it changes health, else not")
    func reports() throws {
        try withDesk { desk in
            let key = try sampleKey("a", "b")
            let handle = SequenceNumber(1)
            try desk.carryOut(register(try sampleInstance("a", "b"), .healthy))
            let same = Command.report(key, handle: handle, reported: .healthy, detail: "fine", isProbe: false)
            #expect(try desk.carryOut(same).reply == .health(.healthy, changed: false))
            let ill = Command.report(key, handle: handle, reported: .degraded, detail: "slow", isProbe: true)
            var change = HealthChange(key: key, handle: handle, from: .healthy, to: .degraded, cause: .probe)
            change.detail = "slow"
            #expect(try desk.carryOut(ill).events == [.healthChanged(change)])
        }
    }

    @Test(
        "tags read what ETags say",
        arguments: ["00000000000000ff-7", "\"00000000000000ff-7\"", "W/\"00000000000000ff-7\""]
    )
    func tags(text: String) {
        #expect(IncarnationTag(text) == tag(7, epoch: Epoch(rawValue: 255)))
    }

    @Test("other text is no tag", arguments: ["", "\"", "7", "ff-7", "00000000000000ff-", "00000000000000ff-x", "*"])
    func noTags(text: String) {
        #expect(IncarnationTag(text) == nil)
        #expect(WatchCursor(text) == nil)
    }
}
