"""Stands where paho-mqtt's tests look for the MQTT server that they would start."""
