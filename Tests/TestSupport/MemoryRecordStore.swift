public import RegistryModel

/// A ``RecordStore`` in dictionaries: the projection without LMDB.
public struct MemoryRecordStore: RecordStore, Equatable {
    public struct Row: Equatable, Sendable {
        public var instance: Instance
        public var state: InstanceState
    }

    public private(set) var instances: [InstanceKey: Row] = [:]
    public private(set) var services: [ServiceName: ServiceRecord] = [:]
    public private(set) var certificates: [String: CertificateRecord] = [:]
    public private(set) var revocations: [Revocation.Subject: Revocation] = [:]
    public private(set) var tokens: [[UInt8]: TokenRecord] = [:]
    private var record = RegistryRecord()

    public init() {}

    public func state(of key: InstanceKey) throws(Never) -> InstanceState? {
        instances[key]?.state
    }

    public func instance(_ key: InstanceKey) throws(Never) -> Instance? {
        instances[key]?.instance
    }

    public func version(of key: InstanceKey) throws(Never) -> String? {
        instances[key]?.instance.version
    }

    public mutating func put(_ instance: Instance, _ state: InstanceState) throws(Never) {
        instances[instance.key] = Row(instance: instance, state: state)
    }

    public mutating func update(_ key: InstanceKey, _ state: InstanceState) throws(Never) {
        precondition(instances[key] != nil, "only what is there is updated")
        instances[key]?.state = state
    }

    public mutating func remove(_ key: InstanceKey) throws(Never) {
        instances[key] = nil
    }

    public func instanceIDs(of service: ServiceName) throws(Never) -> [InstanceID] {
        instances.keys.filter { $0.service == service }.map(\.id).sorted()
    }

    public func service(_ name: ServiceName) throws(Never) -> ServiceRecord? {
        services[name]
    }

    public mutating func put(_ service: ServiceRecord) throws(Never) {
        services[service.name] = service
    }

    public mutating func removeService(_ name: ServiceName) throws(Never) {
        services[name] = nil
    }

    public func emptyServices(unchangedSince time: Timestamp) throws(Never) -> [ServiceName] {
        services.values
            .filter { $0.policy == nil && $0.counts.total == 0 && $0.changedAt < time }
            .map(\.name).sorted()
    }

    public func certificate(_ serial: String) throws(Never) -> CertificateRecord? {
        certificates[serial]
    }

    public mutating func put(_ certificate: CertificateRecord) throws(Never) {
        certificates[certificate.serial] = certificate
    }

    public func certificates(ofLineage lineage: [UInt8]) throws(Never) -> [CertificateRecord] {
        certificates.values.filter { $0.lineage == lineage }.sorted { $0.serial < $1.serial }
    }

    public func revocation(_ subject: Revocation.Subject) throws(Never) -> Revocation? {
        revocations[subject]
    }

    public mutating func put(_ revocation: Revocation) throws(Never) {
        revocations[revocation.subject] = revocation
    }

    public mutating func removeLapsedIdentities(before time: Timestamp) throws(Never) {
        certificates = certificates.filter { $0.value.notAfter >= time }
        revocations = revocations.filter { $0.value.until >= time }
        tokens = tokens.filter { $0.value.expires >= time }
    }

    public func token(_ hash: [UInt8]) throws(Never) -> TokenRecord? {
        tokens[hash]
    }

    public mutating func put(_ token: TokenRecord) throws(Never) {
        tokens[token.hash] = token
    }

    public func tokenCount() throws(Never) -> Int {
        tokens.count
    }

    public func registry() throws(Never) -> RegistryRecord {
        record
    }

    public mutating func put(_ registry: RegistryRecord) throws(Never) {
        record = registry
    }
}
