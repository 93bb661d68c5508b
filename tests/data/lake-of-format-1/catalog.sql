BEGIN TRANSACTION;
CREATE TABLE iceberg_namespace_properties (
	catalog_name VARCHAR(255) NOT NULL, 
	namespace VARCHAR(255) NOT NULL, 
	property_key VARCHAR(255) NOT NULL, 
	property_value VARCHAR(1000) NOT NULL, 
	PRIMARY KEY (catalog_name, namespace, property_key)
);
INSERT INTO "iceberg_namespace_properties" VALUES('lakehouse','silver','exists','true');
INSERT INTO "iceberg_namespace_properties" VALUES('lakehouse','bronze','exists','true');
CREATE TABLE iceberg_tables (
	catalog_name VARCHAR(255) NOT NULL, 
	table_namespace VARCHAR(255) NOT NULL, 
	table_name VARCHAR(255) NOT NULL, 
	metadata_location VARCHAR(1000), 
	previous_metadata_location VARCHAR(1000), 
	iceberg_type VARCHAR(5), 
	PRIMARY KEY (catalog_name, table_namespace, table_name)
);
INSERT INTO "iceberg_tables" VALUES('lakehouse','silver','klines','s3://lake-v1/warehouse/silver/klines/metadata/00003-81a09620-ef04-4969-b60a-94bc4090fa2b.metadata.json','s3://lake-v1/warehouse/silver/klines/metadata/00002-f3ae6eb9-262e-43a1-9c45-3512242ab1e2.metadata.json','TABLE');
INSERT INTO "iceberg_tables" VALUES('lakehouse','silver','quarantine','s3://lake-v1/warehouse/silver/quarantine/metadata/00000-3aa7103a-9a65-48e3-abb2-c20c49e68966.metadata.json',NULL,'TABLE');
INSERT INTO "iceberg_tables" VALUES('lakehouse','silver','metrics','s3://lake-v1/warehouse/silver/metrics/metadata/00002-8f65e725-08be-4f77-a169-491c0fe1ae5e.metadata.json','s3://lake-v1/warehouse/silver/metrics/metadata/00001-7bde0c9b-29cc-4653-b1f5-c07c9a8101c6.metadata.json','TABLE');
INSERT INTO "iceberg_tables" VALUES('lakehouse','silver','quality_days','s3://lake-v1/warehouse/silver/quality_days/metadata/00002-e162a42a-b225-4ba5-ab9f-b13808b65a4a.metadata.json','s3://lake-v1/warehouse/silver/quality_days/metadata/00001-b6f195e1-6751-41e2-b391-6f180402c98a.metadata.json','TABLE');
INSERT INTO "iceberg_tables" VALUES('lakehouse','silver','quality','s3://lake-v1/warehouse/silver/quality/metadata/00002-b22a08ae-080c-477a-a994-8ddf3eb0c913.metadata.json','s3://lake-v1/warehouse/silver/quality/metadata/00001-f04c2503-1a01-465e-b95b-364c63d3a26b.metadata.json','TABLE');
INSERT INTO "iceberg_tables" VALUES('lakehouse','bronze','ledger','s3://lake-v1/warehouse/bronze/ledger/metadata/00002-1370bb18-5196-475b-a8ec-521e5e48c3c3.metadata.json','s3://lake-v1/warehouse/bronze/ledger/metadata/00001-e3f29b22-f4c8-4a9f-b1af-0a91a474b9fa.metadata.json','TABLE');
CREATE TABLE lakehouse_collections (
	id INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	finished_at BIGINT NOT NULL, 
	seconds FLOAT NOT NULL, 
	objects BIGINT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "lakehouse_collections" VALUES(1,'binance',1796116984392730,2.88264509999862639233e-02,4,2953);
INSERT INTO "lakehouse_collections" VALUES(2,'binance',1796116985502735,0.0153045690003637,1,227);
CREATE TABLE lakehouse_ledger (
	source TEXT NOT NULL, 
	market TEXT NOT NULL, 
	data_type TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	interval TEXT NOT NULL, 
	frequency TEXT NOT NULL, 
	period_start BIGINT NOT NULL, 
	period_end BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	etag TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	last_modified BIGINT NOT NULL, 
	checksum_etag TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	published_sha256 TEXT, 
	sha256 TEXT, 
	attempt INTEGER NOT NULL, 
	revision INTEGER NOT NULL, 
	changed_at BIGINT NOT NULL, 
	PRIMARY KEY (source, "key")
);
INSERT INTO "lakehouse_ledger" VALUES('binance','um','klines','BTCUSDT','8h','monthly',1706745600,1709251200,'data/futures/um/monthly/klines/BTCUSDT/8h/BTCUSDT-8h-2024-02.zip','c04ad818d8716ade0ca582df07ca3c5a',338,1796116983946000,'facf40500e01641ad6ca1334c2fea9e0','published','','f6fe0f0199f8e0331bec6da5f16fbb08ae8084b3b7923af45fa55aa5815865f4','f6fe0f0199f8e0331bec6da5f16fbb08ae8084b3b7923af45fa55aa5815865f4',1,1,1796116985230067);
INSERT INTO "lakehouse_ledger" VALUES('binance','um','klines','ETHUSDT','8h','monthly',1706745600,1709251200,'data/futures/um/monthly/klines/ETHUSDT/8h/ETHUSDT-8h-2024-02.zip','08dfcfe0985dcc66badee8df45089071',782,1796116983951000,'8cc8edff2a38bfd20bf57b69ac5a4381','published','','5a3f67c92d9df67f46e64e0071597f8f39ca16b1fa9041a73b126e0ab7d82b9b','5a3f67c92d9df67f46e64e0071597f8f39ca16b1fa9041a73b126e0ab7d82b9b',1,1,1796116985230067);
INSERT INTO "lakehouse_ledger" VALUES('binance','um','metrics','BTCUSDT','','daily',1706745600,1706832000,'data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-02-01.zip','6e8d53d9f99978d132b454ece15d9f9d',916,1796116983958000,'2f9edc92c6c9489985db3f678c24a59e','published','','80b81d7f4e100c36c68524f83dd357c0395643a0d5461c09bf706470de79e9c6','80b81d7f4e100c36c68524f83dd357c0395643a0d5461c09bf706470de79e9c6',1,1,1796116985230067);
INSERT INTO "lakehouse_ledger" VALUES('binance','um','metrics','BTCUSDT','','daily',1706832000,1706918400,'data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-02-02.zip','5bedd88a3d152ba12b9856b8bf069a1f',917,1796116983963000,'b093225029791a4b87e1bb872f6f251f','published','','cfe75b3953e3b8f3d66023dfe0f7647bad260d443a9ee60715c113d47260c5cd','cfe75b3953e3b8f3d66023dfe0f7647bad260d443a9ee60715c113d47260c5cd',1,1,1796116985230067);
INSERT INTO "lakehouse_ledger" VALUES('binance','cm','klines','DOTUSD_PERP','8h','daily',1706745600,1706832000,'data/futures/cm/daily/klines/DOTUSD_PERP/8h/DOTUSD_PERP-8h-2024-02-01.zip','d61bc89cf2bad2fdac2ef6590c239def',227,1796116983954000,'f8fe5a30065b0638ade705ec69d1e996','published','','15394b1287c938862a696bb737c7942a92075b77409a9f8c751ed3adb6f1b419','15394b1287c938862a696bb737c7942a92075b77409a9f8c751ed3adb6f1b419',1,1,1796116985753236);
CREATE TABLE lakehouse_ledger_events (
	event_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	source TEXT NOT NULL, 
	market TEXT NOT NULL, 
	data_type TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	interval TEXT NOT NULL, 
	frequency TEXT NOT NULL, 
	period_start BIGINT NOT NULL, 
	period_end BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	etag TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	last_modified BIGINT NOT NULL, 
	checksum_etag TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	published_sha256 TEXT, 
	sha256 TEXT, 
	attempt INTEGER NOT NULL, 
	revision INTEGER NOT NULL, 
	changed_at BIGINT NOT NULL
);
CREATE TABLE lakehouse_ledger_identity (
	ledger_id TEXT NOT NULL, 
	PRIMARY KEY (ledger_id)
);
INSERT INTO "lakehouse_ledger_identity" VALUES('ec8e49e2fad44adb821c44e5412915cb');
CREATE TABLE lakehouse_ledger_revisions (
	source TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	etag TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	sha256 TEXT, 
	replaced_at BIGINT NOT NULL, 
	kept_key TEXT NOT NULL, 
	PRIMARY KEY (source, "key", revision)
);
CREATE TABLE lakehouse_listings (
	source TEXT NOT NULL, 
	market TEXT NOT NULL, 
	data_type TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	interval TEXT NOT NULL, 
	span_start BIGINT NOT NULL, 
	span_end BIGINT NOT NULL, 
	listed_at BIGINT NOT NULL, 
	PRIMARY KEY (source, market, data_type, symbol, interval, span_start, span_end)
);
INSERT INTO "lakehouse_listings" VALUES('binance','um','klines','ETHUSDT','8h',0,1796116984,1796116984324059);
INSERT INTO "lakehouse_listings" VALUES('binance','um','metrics','BTCUSDT','',0,1796116984,1796116984324059);
INSERT INTO "lakehouse_listings" VALUES('binance','um','klines','BTCUSDT','8h',0,1796116984,1796116984324059);
INSERT INTO "lakehouse_listings" VALUES('binance','cm','klines','DOTUSD_PERP','8h',0,1796116985,1796116985372329);
CREATE INDEX lakehouse_ledger_by_series ON lakehouse_ledger (source, market, data_type, symbol, interval, frequency, period_start, "key");
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('lakehouse_ledger_events',15);
COMMIT;
