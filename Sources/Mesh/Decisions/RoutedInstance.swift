import RegistryClient
import RegistryModel

/// One instance as callers see it.
struct RoutedInstance: Sendable, Equatable {
    let key: InstanceKey
    /// The key's: calls tell it, each of them.
    let name: String
    let handle: InstanceHandle
    let endpoint: Endpoint
    var health: Health
    /// Its lease ran out and it is still listed: most likely the process or its machine is gone.
    let isLapsed: Bool
    /// Relative share of calls; 0 is never picked.
    let weight: UInt32
    let zone: String
    let version: String
    let applicationProtocol: String
    let repeatable: [RepeatableRoute]
    let externalURL: String?
    let tlsCert: String

    /// Routes that cannot be read are passed over: what is not understood is not repeated.
    init(_ registered: RegisteredInstance) {
        let instance = registered.instance
        key = instance.key
        name = instance.key.description
        handle = registered.handle
        endpoint = instance.endpoint
        health = registered.health
        isLapsed = registered.health == .unhealthy && registered.cause == TransitionCause.heartbeatMissed.description
        weight = instance.weight
        zone = instance.zone
        version = instance.version
        applicationProtocol = instance.applicationProtocol
        repeatable = instance.repeatable.compactMap { RepeatableRoute($0) }
        externalURL = instance.externalURL
        tlsCert = instance.tlsCert
    }

    /// Whether it may be picked at all: `draining` ones finish what they have, `starting` ones have not said that they
    /// serve.
    var isPickable: Bool {
        weight > 0 && health != .draining && health != .starting
    }
}
