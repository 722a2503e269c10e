import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.LongByReference;
import java.util.Map;

/** Opens an environment, imports a file, reads a record, compares: Main LOCATION FILE */
public final class Main {
    static final int ABI = 1;

    /** The functions of keyferry.h that this program uses. On 64-bit machines a size_t is a long. */
    public interface Keyferry extends Library {
        int kf_abi_version();

        String kf_last_error();

        String kf_status_name(int status);

        int kf_environment_open(String location, Credentials credentials, LongByReference environment);

        int kf_environment_close(long environment);

        int kf_environment_records(long environment, String path, String options, Write write, Pointer context);

        int kf_import(long job, String file, long environment, String path, String options, Pointer report);

        int kf_verify(long job, long a, String aPath, long b, String bPath, String options, Pointer report);

        interface Write extends Callback {
            int take(Pointer context, Pointer data, long length);
        }
    }

    @Structure.FieldOrder({"size", "token", "refreshToken", "masterKey", "masterPassword", "timeoutSeconds"})
    public static class Credentials extends Structure {
        public long size;
        public String token;
        public String refreshToken;
        public String masterKey;
        public String masterPassword;
        public long timeoutSeconds;

        public Credentials(String masterPassword) {
            setStringEncoding("UTF-8");
            this.masterPassword = masterPassword;
            this.size = size();
        }
    }

    final Keyferry keyferry;

    Main(Keyferry keyferry) {
        this.keyferry = keyferry;
    }

    void check(int status) {
        if (status != 0) {
            throw new IllegalStateException(keyferry.kf_status_name(status) + ": " + keyferry.kf_last_error());
        }
    }

    void run(String location, String file) {
        if (keyferry.kf_abi_version() != ABI) {
            throw new IllegalStateException("libkeyferry has another ABI");
        }
        LongByReference out = new LongByReference();
        check(keyferry.kf_environment_open(
                location, new Credentials(System.getenv("KEYFERRY_MASTER_PASSWORD")), out));
        long environment = out.getValue();

        // Every record is encrypted here, sent, read back, decrypted and compared.
        check(keyferry.kf_import(0, file, environment, null, null, null));
        System.out.println("imported");

        Keyferry.Write show = (context, line, length) -> {
            byte[] bytes = line.getByteArray(0, (int) length);
            System.out.write(bytes, 0, bytes.length);
            return 0;
        };
        check(keyferry.kf_environment_records(environment, "Infra/Databases", "{\"query\": \"primary\"}", show, null));

        check(keyferry.kf_verify(0, environment, null, 0, file, null, null));
        System.out.println("verified: equal");
        check(keyferry.kf_environment_close(environment));
    }

    public static void main(String[] words) {
        try {
            Map<String, Object> options = Map.of(Library.OPTION_STRING_ENCODING, "UTF-8");
            new Main(Native.load("keyferry", Keyferry.class, options)).run(words[0], words[1]);
        } catch (IllegalStateException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
