/// The version that all programs of a release share.
public enum ProductVersion {
    public static let current = "0.1.0"
}
