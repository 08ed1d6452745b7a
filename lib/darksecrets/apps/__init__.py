"""What is built on sections: atlas, explorer, annotator, and the report on an own model."""
