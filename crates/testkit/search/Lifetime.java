import java.io.Closeable;
import java.io.IOException;
import java.io.PrintStream;
import java.util.concurrent.CountDownLatch;

/** When a server of the tests begins and ends. */
class Lifetime {
    /** Starts a server, and hands over what ends it in order. */
    interface Start {
        Closeable start() throws Exception;
    }

    /**
     * Starts a server, says so by a line on stdout, and keeps the process. It ends at once when
     * stdin ends, as it does with the process of a test; a byte on stdin lets it stay.
     */
    static void run(Start server) throws InterruptedException {
        // The server's logging takes stdout over.
        PrintStream out = System.out;
        Thread parent = new Thread(Lifetime::watchParent, "parent");
        parent.setDaemon(true);
        parent.start();
        try {
            Closeable running = server.start();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> close(running), "close"));
        } catch (Throwable error) {
            // Threads of what started would keep the process.
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
        out.println("started");
        new CountDownLatch(1).await();
    }

    private static void close(Closeable server) {
        try {
            server.close();
        } catch (IOException error) {
            error.printStackTrace();
        }
    }

    private static void watchParent() {
        try {
            if (System.in.read() >= 0) {
                return;
            }
        } catch (IOException error) {
            error.printStackTrace();
        }
        Runtime.getRuntime().halt(0);
    }
}
