-- Carried out once, by the first start of an empty server.
CREATE DATABASE mlflow;
CREATE DATABASE study;
