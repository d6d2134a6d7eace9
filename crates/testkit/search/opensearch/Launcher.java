import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** Runs one OpenSearch; its settings and its data are in the folder that the argument names. */
public class Launcher {
    public static void main(String[] arguments) throws InterruptedException {
        Path folder = Path.of(arguments[0]);
        Lifetime.run(() -> {
            LogConfigurator.registerErrorListener();
            Settings home = Settings.builder().put("path.home", folder).build();
            Environment environment =
                InternalSettingsPreparer.prepareEnvironment(home, Map.of(), folder, () -> "test");
            LogConfigurator.setNodeName("test");
            LogConfigurator.configure(environment);
            return new Server(environment).start();
        });
    }

    /** The packaged server finds its modules in folders; here they are on the class path. */
    private static class Server extends Node {
        Server(Environment environment) {
            super(environment, List.of(Netty4Plugin.class, CommonAnalysisPlugin.class), true);
        }
    }
}
