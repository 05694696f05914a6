public import MaterializedView
public import OpenSSLCrypto
public import RegistryModel

/// ``RecordStore`` in memory: what a replay folds events into, with the state digest of any moment.
///
/// Not thread safe: one owner.
public final class InMemoryRecordStore: RecordStore {
    public struct Row: Sendable, Equatable {
        public var instance: Instance
        public var state: InstanceState
    }

    /// A row in a place of its own: a state is read or changed without copying the instance beside it.
    private final class Entry {
        // First, so that both and the key are near each other: most events read no more.
        var state: InstanceState
        var instance: Instance

        init(_ instance: Instance, _ state: InstanceState) {
            self.instance = instance
            self.state = state
        }
    }

    private final class Service {
        let name: ServiceName
        let slot: HashSlot
        var record: ServiceRecord?
        private(set) var rows: [InstanceID: Entry] = [:]
        /// The same in order of ids; nil where it is to be made anew.
        private var inOrder: [Entry]?

        init(_ name: ServiceName) {
            self.name = name
            slot = HashSlot(name)
        }

        var isEmpty: Bool { record == nil && rows.isEmpty }

        var orderedRows: [Entry] {
            if let inOrder { return inOrder }
            let made = rows.values.sorted { $0.instance.key.id < $1.instance.key.id }
            inOrder = made
            return made
        }

        func put(_ row: Entry) {
            rows[row.instance.key.id] = row
            inOrder = nil
        }

        func remove(_ id: InstanceID) {
            guard rows.removeValue(forKey: id) != nil else { return }
            inOrder = nil
        }

        func reserve(_ count: Int) {
            rows.reserveCapacity(count)
        }
    }

    private var services: [ServiceName: Service] = [:]
    /// The same by slots, in order of names.
    private var slots = [[Service]](repeating: [], count: HashSlot.count)
    /// Slots in which anything changed since the last digest.
    private var touched = [Bool](repeating: false, count: HashSlot.count)
    /// What was last found: an event is about one service and mostly about one instance, and asks for each several times.
    private var recentService: Service?
    private var recentRow: Entry?
    private var certificatesBySerial: [String: CertificateRecord] = [:]
    /// The same, for the digest: a fleet has a hundred thousand, of which a minute changes a few.
    private var certificateRecords = OrderedRecords()
    private var revocationsBySubject: [Revocation.Subject: Revocation] = [:]
    private var tokensByHash: [[UInt8]: TokenRecord] = [:]
    private var record = RegistryRecord()
    private var digest: StateDigest

    public init() throws(OpenSSLError) {
        digest = try StateDigest()
    }

    /// What a view shows.
    public init(_ snapshot: borrowing ViewSnapshot) throws {
        digest = try StateDigest()
        touched = [Bool](repeating: true, count: HashSlot.count)
        record = try snapshot.registry
        var records: [ServiceRecord] = []
        try snapshot.forEachService(after: nil, limit: .max) { records.append($0) }
        for record in records {
            let service = entry(record.name)
            service.record = record
            let instances = try snapshot.instances(of: record.name)
            service.reserve(instances.count)
            for (instance, state) in instances { service.put(Entry(instance, state)) }
        }
        for certificate in try snapshot.certificates() { put(certificate) }
        for revocation in try snapshot.revocations() { revocationsBySubject[revocation.subject] = revocation }
        for token in try snapshot.tokens() { tokensByHash[token.hash] = token }
    }

    // MARK: The projection's store

    public func state(of key: InstanceKey) throws(Never) -> InstanceState? {
        row(key)?.state
    }

    public func instance(_ key: InstanceKey) throws(Never) -> Instance? {
        row(key)?.instance
    }

    public func version(of key: InstanceKey) throws(Never) -> String? {
        row(key)?.instance.version
    }

    public func put(_ instance: Instance, _ state: InstanceState) throws(Never) {
        let row = Entry(instance, state)
        entry(instance.key.service).put(row)
        recentRow = row
    }

    public func update(_ key: InstanceKey, _ state: InstanceState) throws(Never) {
        guard let row = row(key) else { return }
        touch(entry(key.service).slot)
        row.state = state
    }

    public func remove(_ key: InstanceKey) throws(Never) {
        let entry = entry(key.service)
        entry.remove(key.id)
        recentRow = nil
        if entry.isEmpty { forget(entry) }
    }

    public func instanceIDs(of service: ServiceName) throws(Never) -> [InstanceID] {
        found(service)?.orderedRows.map(\.instance.key.id) ?? []
    }

    public func service(_ name: ServiceName) throws(Never) -> ServiceRecord? {
        found(name)?.record
    }

    public func put(_ service: ServiceRecord) throws(Never) {
        entry(service.name).record = service
    }

    public func removeService(_ name: ServiceName) throws(Never) {
        let entry = entry(name)
        entry.record = nil
        if entry.isEmpty { forget(entry) }
    }

    public func emptyServices(unchangedSince time: Timestamp) throws(Never) -> [ServiceName] {
        services.values.compactMap(\.record)
            .filter { $0.policy == nil && $0.counts.total == 0 && $0.changedAt < time }
            .map(\.name).sorted()
    }

    public func certificate(_ serial: String) throws(Never) -> CertificateRecord? {
        certificatesBySerial[serial]
    }

    public func put(_ certificate: CertificateRecord) throws(Never) {
        touch(.registry)
        certificatesBySerial[certificate.serial] = certificate
        certificateRecords.put(certificate)
    }

    public func certificates(ofLineage lineage: [UInt8]) throws(Never) -> [CertificateRecord] {
        certificates.filter { $0.lineage == lineage }
    }

    public func revocation(_ subject: Revocation.Subject) throws(Never) -> Revocation? {
        revocationsBySubject[subject]
    }

    public func put(_ revocation: Revocation) throws(Never) {
        touch(.registry)
        revocationsBySubject[revocation.subject] = revocation
    }

    public func removeLapsedIdentities(before time: Timestamp) throws(Never) {
        touch(.registry)
        for (serial, certificate) in certificatesBySerial where certificate.notAfter < time {
            certificatesBySerial[serial] = nil
            certificateRecords.remove(serial)
        }
        revocationsBySubject = revocationsBySubject.filter { $0.value.until >= time }
        tokensByHash = tokensByHash.filter { $0.value.expires >= time }
    }

    public func token(_ hash: [UInt8]) throws(Never) -> TokenRecord? {
        tokensByHash[hash]
    }

    public func put(_ token: TokenRecord) throws(Never) {
        touch(.registry)
        tokensByHash[token.hash] = token
    }

    public func tokenCount() throws(Never) -> Int {
        tokensByHash.count
    }

    public func registry() throws(Never) -> RegistryRecord {
        record
    }

    public func put(_ registry: RegistryRecord) throws(Never) {
        touch(.registry)
        record = registry
    }

    private func touch(_ slot: HashSlot) {
        touched[slot.index] = true
    }

    private func found(_ name: ServiceName) -> Service? {
        if let recentService, recentService.name == name { return recentService }
        guard let found = services[name] else { return nil }
        recentService = found
        return found
    }

    private func row(_ key: InstanceKey) -> Entry? {
        if let recentRow, recentRow.instance.key == key { return recentRow }
        guard let found = found(key.service)?.rows[key.id] else { return nil }
        recentRow = found
        return found
    }

    /// A service that is about to change; made where there is none.
    private func entry(_ name: ServiceName) -> Service {
        if let found = found(name) {
            touch(found.slot)
            return found
        }
        let made = Service(name)
        touch(made.slot)
        services[name] = made
        let place = slots[made.slot.index].firstIndex { $0.name > name } ?? slots[made.slot.index].endIndex
        slots[made.slot.index].insert(made, at: place)
        recentService = made
        return made
    }

    private func forget(_ service: Service) {
        services[service.name] = nil
        slots[service.slot.index].removeAll { $0 === service }
        recentService = nil
    }

    // MARK: Questions

    /// Names that are known, in order.
    public var serviceNames: [ServiceName] {
        services.values.compactMap(\.record?.name).sorted()
    }

    public var instanceCount: Int {
        services.values.reduce(0) { $0 + $1.rows.count }
    }

    /// A service's instances, in order of ids.
    public func rows(of service: ServiceName) -> [Row] {
        found(service)?.orderedRows.map { Row(instance: $0.instance, state: $0.state) } ?? []
    }

    /// In order of serial numbers.
    public var certificates: [CertificateRecord] {
        certificatesBySerial.values.sorted { $0.serial < $1.serial }
    }

    /// Join tokens, in order of their hashes.
    public var tokens: [TokenRecord] {
        tokensByHash.values.sorted { $0.hash.lexicographicallyPrecedes($1.hash) }
    }

    /// Of certificates in order of serial numbers, then of services in order of names.
    public var revocations: [Revocation] {
        revocationsBySubject.values.sorted { left, right in
            switch (left.subject, right.subject) {
            case (.serial(let left), .serial(let right)): left < right
            case (.service(let left), .service(let right)): left < right
            case (.serial, .service): true
            case (.service, .serial): false
            }
        }
    }

    /// Version 1 of the state digest; hashes only what changed since the last time.
    public func stateDigest() -> SHA256Digest {
        for slot in HashSlot.all where touched[slot.index] {
            digest.rehash(slot) { show in
                services(of: slot).withUnsafeBytes(show)
                guard slot == .registry else { return }
                certificateRecords.forEachRun(show)
                otherIdentities.withUnsafeBytes(show)
            }
            touched[slot.index] = false
        }
        return digest.value
    }

    /// What a slot's digest is made of, in order.
    public func records(of slot: HashSlot) -> [CanonicalRecord] {
        var records = services(of: slot).split()
        guard slot == .registry else { return records }
        certificateRecords.forEachRun { records += CanonicalRecords(copying: $0).split() }
        return records + otherIdentities.split()
    }

    private func services(of slot: HashSlot) -> CanonicalRecords {
        var records = CanonicalRecords()
        for service in slots[slot.index] {
            guard let record = service.record else { continue }
            records.append(record)
            for row in service.orderedRows { records.append(row.instance, row.state) }
        }
        return records
    }

    /// What stands behind the certificates.
    private var otherIdentities: CanonicalRecords {
        var records = CanonicalRecords()
        for revocation in revocations { records.append(revocation) }
        for token in tokens { records.append(token) }
        if let protection = record.protection { records.append(protection) }
        return records
    }
}
