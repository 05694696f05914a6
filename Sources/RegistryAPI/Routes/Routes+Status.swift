import Hummingbird
import Identity
import MaterializedView
import Registry
import RegistryModel

extension RegistryRoutes {
    func addStatus(to router: Router<Context>) {
        on(router, .get, "/v1/status") { _ in try status() }
    }

    private func status() throws -> Reply {
        let status = registry.status()
        let (totals, protection) = try registry.view.read { snapshot in
            (try snapshot.totals, try snapshot.registry.protection)
        }
        var json = JSONWriter(reservingCapacity: 1_024)
        json.beginObject()
        json.member("version", registry.options.version)
        json.member("trustDomain", authority.trustDomain.description)
        json.member("registry", registry.registryID.description)
        json.member("epoch", registry.epoch.description)
        json.member("state", readiness.state)
        if !readiness.address.isEmpty { json.member("address", readiness.address) }
        json.member("dataDirectory", registry.dataDirectory.path)
        json.member("startedAt", registry.startedAt.time)
        json.member("uptimeMs", status.now.monotonic.since(registry.startedAt.monotonic).milliseconds)
        json.member("time", status.now.time)
        json.member("sequence", status.sequence.rawValue)
        json.member("services", totals.services)
        json.member("instances", totals.health.total)
        json.member("health", totals.health)
        writeLoad(status, to: &json)
        json.key("guard")
        Self.write(protection, to: &json)
        json.member("ttlMs", registry.options.healthPolicy.ttl.milliseconds)
        json.member("deregisterAfterMs", registry.options.healthPolicy.deregisterAfter.milliseconds)
        try writeKeys(to: &json)
        writeCheckpoint(to: &json)
        try writeSnapshots(to: &json)
        json.key("shards")
        json.beginArray()
        json.beginObject()
        json.member("shard", 0)
        json.member("slots", 1_024)
        json.member("instances", totals.health.total)
        json.member("viewBytes", status.viewBytes)
        json.member("behindMs", 0)
        json.endObject()
        json.endArray()
        json.endObject()
        var reply = Reply(json: json)
        reply.noteSequence(status.sequence)
        return reply
    }

    private func writeKeys(to json: inout JSONWriter) throws {
        let root = try authority.root
        json.key("keys")
        json.beginObject()
        json.member("rootNotAfter", root.notAfter)
        if let backup = KeysBackupRecord(in: registry.dataDirectory.keys) {
            json.key("lastBackup")
            json.beginObject()
            json.member("madeAt", backup.madeAt)
            json.member("isOfPresentRoot", backup.rootKeyHash == root.keyHash)
            json.endObject()
        }
        json.endObject()
    }

    private func writeCheckpoint(to json: inout JSONWriter) {
        guard let condition = registry.checkpointCondition else { return }
        json.key("checkpoint")
        json.beginObject()
        json.member("sequence", condition.size.rawValue)
        if let signedAt = condition.signedAt { json.member("signedAt", signedAt) }
        json.member("current", condition.isCurrent)
        json.member("everyMs", condition.interval.milliseconds)
        if let failure = condition.failure { json.member("failure", failure) }
        json.endObject()
    }

    private func writeSnapshots(to json: inout JSONWriter) throws {
        let condition = registry.snapshotCondition
        json.key("snapshots")
        json.beginObject()
        if let last = condition.last {
            json.key("last")
            json.beginObject()
            json.member("file", last.file)
            json.member("sequence", last.sequence.rawValue)
            json.member("takenAt", last.takenAt)
            json.endObject()
        }
        json.member("kept", try SnapshotTaker(registry: registry).kept().count)
        if let interval = registry.options.snapshots.interval { json.member("everyMs", interval.milliseconds) }
        if let next = condition.next { json.member("nextAt", next) }
        if let failure = condition.failure { json.member("failure", failure) }
        json.endObject()
    }

    private func writeLoad(_ status: RegistryStatus, to json: inout JSONWriter) {
        json.key("heartbeatsPerSecond")
        json.write(status.heartbeatsPerSecond)
        json.key("eventsPerSecond")
        json.write(status.eventsPerSecond)
        json.key("lookupsPerSecond")
        json.write(status.lookupsPerSecond)
        json.key("lookupP99Ms")
        json.write(status.lookupP99Milliseconds)
        json.key("fsyncP99Ms")
        json.write(status.fsyncP99Milliseconds)
        json.member("queue", status.queue)
        json.member("subscribers", status.subscribers)
        json.member("slowestSubscriberMs", status.slowestSubscriber.milliseconds)
        json.member("logBytes", status.logBytes)
        json.member("beatsBytes", status.beatsBytes)
        json.key("diskUsedFraction")
        let total = Double(max(1, status.disk.total))
        json.write(1 - Double(status.disk.free) / total)
        json.member("diskFreeBytes", status.disk.free)
        json.member("diskFull", status.isDiskFull)
        if let left = status.timeUntilDiskFull { json.member("diskFullInMs", left.milliseconds) }
    }
}
