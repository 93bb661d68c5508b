package org.apache.iceberg.rest;

import java.io.FileReader;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.iceberg.CatalogUtil;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/** Serves the catalogue that a file of properties describes, on a free port of this machine, which it prints. */
public final class Main {
  public static void main(String[] arguments) throws Exception {
    Properties file = new Properties();
    file.load(new FileReader(arguments[0]));
    Map<String, String> properties =
        file.stringPropertyNames().stream().collect(Collectors.toMap(name -> name, file::getProperty));
    RESTCatalogAdapter adapter = new RESTCatalogAdapter(CatalogUtil.buildIcebergCatalog("rest", properties, null));
    ServletContextHandler handler = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
    handler.addServlet(new ServletHolder("catalog", new RESTCatalogServlet(adapter)), "/*");
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    server.setHandler(handler);
    server.start();
    System.out.println(connector.getLocalPort());
    server.join();
  }
}
