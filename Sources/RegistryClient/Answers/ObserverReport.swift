public import RegistryModel

/// Somebody who wants to look on at an instance's requests, through its sidecar.
public struct ObserverReport: Sendable, Equatable {
    public var instance: InstanceKey
    /// Of the certificate that proved who it is.
    public var serial: String
    /// What was asked for, a path with its query.
    public var target: String

    public init(instance: InstanceKey, serial: String, target: String = "") {
        self.instance = instance
        self.serial = serial
        self.target = target
    }
}
