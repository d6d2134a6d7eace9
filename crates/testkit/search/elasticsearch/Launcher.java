import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one Elasticsearch. Its settings and its data are in the folder that the first argument
 * names, its one module in a folder of the second.
 */
public class Launcher {
    public static void main(String[] arguments) throws InterruptedException {
        Path folder = Path.of(arguments[0]);
        Path modules = Path.of(arguments[1]);
        Lifetime.run(() -> {
            System.setProperty("es.path.home", folder.toString());
            LogConfigurator.registerErrorListener();
            Settings home = Settings.builder().put("path.home", folder.toString()).build();
            Environment environment =
                InternalSettingsPreparer.prepareEnvironment(home, Map.of(), folder, () -> "test");
            LogConfigurator.setNodeName("test");
            LogConfigurator.configure(environment, true);
            // Without the module system, for the server is on the class path.
            PluginsLoader plugins = PluginsLoader.createPluginsLoader(
                PluginsLoader.loadModulesBundles(modules), Set.of(), Map.of(), false);
            return new Node(environment, plugins).start();
        });
    }
}
