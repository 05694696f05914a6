import Glibc

/// This process's environment.
public enum Environment {
    /// nil where the variable is not set.
    public static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
