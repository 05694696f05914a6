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
        var instance: Instance
        var state: InstanceState

        init(_ instance: Instance, _ state: InstanceState) {
            self.instance = instance
            self.state = state
        }
    }

    private final class Service {
        var record: ServiceRecord?
        var rows: [InstanceID: Entry] = [:]

        var isEmpty: Bool { record == nil && rows.isEmpty }
    }

    private var services: [ServiceName: Service] = [:]
    private var slots = [Set<ServiceName>](repeating: [], count: HashSlot.count)
    private var touched: Set<HashSlot> = []
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
        touched = Set(HashSlot.all)
        record = try snapshot.registry
        var records: [ServiceRecord] = []
        try snapshot.forEachService(after: nil, limit: .max) { records.append($0) }
        for record in records {
            let service = entry(record.name)
            service.record = record
            let instances = try snapshot.instances(of: record.name)
            service.rows.reserveCapacity(instances.count)
            for (instance, state) in instances { service.rows[instance.key.id] = Entry(instance, state) }
        }
        for certificate in try snapshot.certificates() { put(certificate) }
        for revocation in try snapshot.revocations() { revocationsBySubject[revocation.subject] = revocation }
        for token in try snapshot.tokens() { tokensByHash[token.hash] = token }
    }

    // MARK: The projection's store

    public func state(of key: InstanceKey) throws(Never) -> InstanceState? {
        services[key.service]?.rows[key.id]?.state
    }

    public func instance(_ key: InstanceKey) throws(Never) -> Instance? {
        services[key.service]?.rows[key.id]?.instance
    }

    public func put(_ instance: Instance, _ state: InstanceState) throws(Never) {
        let service = entry(instance.key.service)
        if let row = service.rows[instance.key.id] {
            row.instance = instance
            row.state = state
        } else {
            service.rows[instance.key.id] = Entry(instance, state)
        }
    }

    public func update(_ key: InstanceKey, _ state: InstanceState) throws(Never) {
        entry(key.service).rows[key.id]?.state = state
    }

    public func remove(_ key: InstanceKey) throws(Never) {
        let entry = entry(key.service)
        entry.rows[key.id] = nil
        if entry.isEmpty { forget(key.service) }
    }

    public func instanceIDs(of service: ServiceName) throws(Never) -> [InstanceID] {
        (services[service]?.rows.keys).map { $0.sorted() } ?? []
    }

    public func service(_ name: ServiceName) throws(Never) -> ServiceRecord? {
        services[name]?.record
    }

    public func put(_ service: ServiceRecord) throws(Never) {
        entry(service.name).record = service
    }

    public func removeService(_ name: ServiceName) throws(Never) {
        let entry = entry(name)
        entry.record = nil
        if entry.isEmpty { forget(name) }
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
        touched.insert(.registry)
        certificatesBySerial[certificate.serial] = certificate
        certificateRecords.put(certificate.serial, CanonicalRecord(certificate))
    }

    public func certificates(ofLineage lineage: [UInt8]) throws(Never) -> [CertificateRecord] {
        certificates.filter { $0.lineage == lineage }
    }

    public func revocation(_ subject: Revocation.Subject) throws(Never) -> Revocation? {
        revocationsBySubject[subject]
    }

    public func put(_ revocation: Revocation) throws(Never) {
        touched.insert(.registry)
        revocationsBySubject[revocation.subject] = revocation
    }

    public func removeLapsedIdentities(before time: Timestamp) throws(Never) {
        touched.insert(.registry)
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
        touched.insert(.registry)
        tokensByHash[token.hash] = token
    }

    public func tokenCount() throws(Never) -> Int {
        tokensByHash.count
    }

    public func registry() throws(Never) -> RegistryRecord {
        record
    }

    public func put(_ registry: RegistryRecord) throws(Never) {
        touched.insert(.registry)
        record = registry
    }

    private func entry(_ name: ServiceName) -> Service {
        let slot = HashSlot(name)
        touched.insert(slot)
        if let found = services[name] { return found }
        let made = Service()
        services[name] = made
        slots[slot.index].insert(name)
        return made
    }

    private func forget(_ name: ServiceName) {
        services[name] = nil
        slots[HashSlot(name).index].remove(name)
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
        guard let rows = services[service]?.rows else { return [] }
        return rows.values.map { Row(instance: $0.instance, state: $0.state) }
            .sorted { $0.instance.key.id < $1.instance.key.id }
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
        for slot in touched {
            digest.rehash(slot) { show in
                for record in records(of: slot) { show(record) }
            }
        }
        touched.removeAll(keepingCapacity: true)
        return digest.value
    }

    /// What a slot's digest is made of, in order.
    public func records(of slot: HashSlot) -> [CanonicalRecord] {
        var records: [CanonicalRecord] = []
        for name in slots[slot.index].sorted() {
            guard let record = services[name]?.record else { continue }
            records.append(CanonicalRecord(record))
            for row in rows(of: name) { records.append(CanonicalRecord(row.instance, row.state)) }
        }
        guard slot == .registry else { return records }
        records += certificateRecords.records()
        records += revocations.map { CanonicalRecord($0) }
        records += tokens.map { CanonicalRecord($0) }
        if let protection = record.protection { records.append(CanonicalRecord(protection)) }
        return records
    }
}
