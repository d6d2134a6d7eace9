import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;

import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.IndexVersion;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.transport.netty4.Netty4Plugin;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * HTTP, and the answer to GET / that clients know the product and its version by: the packaged
 * server has that in a module which is not on Maven Central.
 */
public class ServerModule extends Netty4Plugin implements ActionPlugin {
    private volatile ClusterService cluster;

    /** How the server makes a module. */
    public ServerModule() {}

    @Override
    public Collection<?> createComponents(PluginServices services) {
        cluster = services.clusterService();
        return super.createComponents(services);
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
            Settings settings, NamedWriteableRegistry writeables, RestController controller,
            ClusterSettings clusterSettings, IndexScopedSettings indexSettings,
            SettingsFilter filter, IndexNameExpressionResolver names,
            Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(new Root(() -> cluster.state()));
    }

    private static class Root extends BaseRestHandler {
        private final Supplier<ClusterState> cluster;

        Root(Supplier<ClusterState> cluster) {
            this.cluster = cluster;
        }

        @Override
        public String getName() {
            return "forebay_test_root";
        }

        @Override
        public List<Route> routes() {
            return List.of(
                new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            return channel -> channel.sendResponse(
                new RestResponse(RestStatus.OK, describe(channel.newBuilder())));
        }

        private XContentBuilder describe(XContentBuilder to) throws IOException {
            Build build = Build.current();
            ClusterState state = cluster.get();
            to.startObject().field("name", "test");
            to.field("cluster_name", state.getClusterName().value());
            to.field("cluster_uuid", state.metadata().clusterUUID());
            to.startObject("version");
            to.field("number", build.qualifiedVersion());
            to.field("build_flavor", build.flavor());
            to.field("build_type", build.type().displayName());
            to.field("build_hash", build.hash());
            to.field("build_date", build.date());
            to.field("build_snapshot", build.isSnapshot());
            to.field("lucene_version", IndexVersion.current().luceneVersion().toString());
            to.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
            to.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
            return to.endObject().field("tagline", "You Know, for Search").endObject();
        }
    }
}
