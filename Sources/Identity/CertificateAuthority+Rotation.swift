public import RegistryModel
import X509

/// One root that hands over to another.
public struct AuthorityRotation: Sendable {
    public enum Phase: String, Sendable {
        /// Both are believed, and the old one still signs: everybody gets to know the new one.
        case overlap
        /// The new one signs; the old one is believed until its last leaf has ended.
        case retiring
    }

    public internal(set) var phase: Phase
    public internal(set) var since: Timestamp
    /// The one that does not sign: the next in `overlap`, the last in `retiring`.
    public internal(set) var other: AuthorityGeneration
    /// The new root under the old one; nil where the old root's key is not here.
    var crossCertificate: Certificate?
}

/// How long the phases of a rotation last.
public struct RotationSchedule: Sendable, Equatable {
    /// Whoever holds a certificate has renewed it by then, and got the new bundle with it.
    public var overlap = CertificateAuthority.leafLife
    /// The last leaf under the old root has ended by then.
    public var retiring = CertificateAuthority.leafLife + CertificateAuthority.backdating

    public init() {}

    public init(overlap: Duration, retiring: Duration) {
        self.overlap = overlap
        self.retiring = retiring
    }

    /// When the phase ends by itself.
    public func end(of rotation: AuthorityRotation) -> Timestamp {
        rotation.since.advanced(by: rotation.phase == .overlap ? overlap : retiring)
    }
}

extension CertificateAuthority {
    /// Begins to hand over to a new root: believed from now on, and signing one phase later.
    ///
    /// - Parameter next: an installed one; left out, one is made.
    /// - Throws: `rotation-under-way`; `malformed-certificate` where a certificate can't be made.
    public mutating func beginRotation(
        to next: AuthorityGeneration? = nil,
        now: Timestamp
    ) throws(IdentityError) {
        guard rotation == nil else {
            throw IdentityError(
                .rotationUnderWay,
                "a rotation is under way already: hms-reg ca show says when its next phase comes"
            )
        }
        let other: AuthorityGeneration
        if let next { other = next } else { other = try AuthorityGeneration(trustDomain: trustDomain, now: now) }
        rotation = AuthorityRotation(
            phase: .overlap,
            since: now,
            other: other,
            crossCertificate: try other.crossSigned(by: active, now: now)
        )
    }

    /// Goes on to the next phase where its time has come.
    ///
    /// - Returns: whether it did; it must be stored then.
    public mutating func advanceRotation(
        now: Timestamp,
        schedule: RotationSchedule
    ) throws(IdentityError) -> Bool {
        guard let rotation, now >= schedule.end(of: rotation) else { return false }
        switch rotation.phase {
        case .overlap:
            self.rotation = AuthorityRotation(
                phase: .retiring,
                since: now,
                other: active,
                crossCertificate: rotation.crossCertificate
            )
            active = rotation.other
            _ = try active.renewIssuerIfDue(trustDomain, now: now)
        case .retiring: self.rotation = nil
        }
        return true
    }

    /// Ends the last phase before its time: the old root is believed no more. Whether anybody still needs it is for the
    /// caller to know.
    ///
    /// - Throws: `no-rotation` where there is none in its last phase.
    public mutating func finishRotation() throws(IdentityError) {
        guard let rotation else {
            throw IdentityError(.noRotation, "no rotation is under way: hms-reg ca rotate begins one")
        }
        guard rotation.phase == .retiring else {
            throw IdentityError(.noRotation, "the old root still signs: only the last phase can be ended early")
        }
        self.rotation = nil
    }
}
